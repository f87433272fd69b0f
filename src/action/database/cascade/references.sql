-- Every foreign key of this database: which table refers to which by what, in the words of SQL, and what becomes of a row
-- when the one goes that it refers to (a: nothing, r: it is refused, c: it goes too, n: null, d: the default).
SELECT f.conrelid::regclass::text AS name, f.confrelid::regclass::text AS parent, f.confdeltype::text AS on_delete,
       (SELECT json_agg(quote_ident(a.attname) ORDER BY k.place) FROM unnest(f.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute AS a ON a.attrelid = f.conrelid AND a.attnum = k.number) AS columns,
       (SELECT json_agg(quote_ident(a.attname) ORDER BY k.place) FROM unnest(f.confkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute AS a ON a.attrelid = f.confrelid AND a.attnum = k.number) AS keys
FROM pg_constraint AS f
WHERE f.contype = 'f' AND f.conparentid = 0
ORDER BY 1, f.conname
