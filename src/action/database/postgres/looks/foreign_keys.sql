-- The foreign keys of this database: how each is held, and the query that counts the rows that lead nowhere.
-- $1: those of one table alone; null for all.
--
-- The query is what the server asks to validate one (ri_triggers.c): equality as the constraint has it; a row that is null
-- in any column leads nowhere legitimately, unless all of its columns must be null together (MATCH FULL).
-- A reference over periods (version 18) is no equality; those and tables that this role may read none or only some rows of
-- are not counted: then counting is null.
SELECT CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END AS "table",
       pair.columns AS "column", f.confrelid::regclass::text AS parent, f.conname AS name,
       f.convalidated AS is_validated,
       -- The triggers that hold it, on both tables: D is disabled, R fires on replicas only.
       NOT EXISTS (SELECT FROM pg_trigger AS held WHERE held.tgconstraint = f.oid AND held.tgenabled IN ('D', 'R')) AS is_held,
       format('ALTER TABLE %I.%I', n.nspname, c.relname) AS altered,
       quote_ident(f.conname) AS quoted,
       CASE WHEN has_table_privilege(f.conrelid, 'SELECT') AND has_table_privilege(f.confrelid, 'SELECT')
                 AND NOT row_security_active(f.conrelid) AND NOT row_security_active(f.confrelid)
                 AND NOT coalesce((to_jsonb(f) ->> 'conperiod')::bool, false)
            THEN format('SELECT count(*) AS rows FROM %s%I.%I AS child WHERE (%s) AND NOT EXISTS (SELECT FROM %s%I.%I AS parent WHERE %s)',
                        CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, n.nspname, c.relname,
                        CASE f.confmatchtype WHEN 'f' THEN pair.some_given ELSE pair.all_given END,
                        CASE p.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END, pn.nspname, p.relname, pair.equal)
       END AS counting
FROM pg_constraint AS f
     JOIN pg_class AS c ON c.oid = f.conrelid
     JOIN pg_namespace AS n ON n.oid = c.relnamespace
     JOIN pg_class AS p ON p.oid = f.confrelid
     JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
     CROSS JOIN LATERAL (
         SELECT string_agg(here.attname, ', ' ORDER BY place) AS columns,
                string_agg(format('child.%I IS NOT NULL', here.attname), ' AND ' ORDER BY place) AS all_given,
                string_agg(format('child.%I IS NOT NULL', here.attname), ' OR ' ORDER BY place) AS some_given,
                string_agg(format('parent.%I OPERATOR(%I.%s) child.%I', there.attname, opn.nspname, o.oprname, here.attname),
                           ' AND ' ORDER BY place) AS equal
         FROM unnest(f.conkey, f.confkey, f.conpfeqop) WITH ORDINALITY AS key (here, there, operator, place)
              JOIN pg_attribute AS here ON here.attrelid = f.conrelid AND here.attnum = key.here
              JOIN pg_attribute AS there ON there.attrelid = f.confrelid AND there.attnum = key.there
              JOIN pg_operator AS o ON o.oid = key.operator
              JOIN pg_namespace AS opn ON opn.oid = o.oprnamespace) AS pair
WHERE f.contype = 'f' AND f.conparentid = 0 AND ($1::int8 IS NULL OR f.conrelid = $1::int8)
ORDER BY 1, f.conname
