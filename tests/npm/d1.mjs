// A real D1 without an account: workerd under Miniflare, with a pool of empty databases. Says its address in a line and
// serves until its standard input ends: then whoever started it is gone. It asks for a database by its number,
// POST /17, with statements `[{sql, params}]` that run as one transaction, and gives for each `{meta, data: {columns,
// rows}}`, or says `{error}`.
import { Miniflare } from "miniflare";

// Each is made when it is first asked for, so that they cost nothing.
const POOL = 2000;

const worker = `export default {
  async fetch(request, env) {
    try {
      const name = new URL(request.url).pathname.slice(1);
      const { results } = await env["d1_" + name].query({ queries: await request.json() });
      return Response.json(results);
    } catch (error) {
      return Response.json({ error: error.message });
    }
  },
};`;

const pool = Array.from({ length: POOL }, (_, number) => [`d1_${number}`, { type: "d1", id: `${number}` }]);
const d1 = new Miniflare({
  host: "127.0.0.1",
  port: 0,
  logRequests: false,
  telemetry: { enabled: false },
  workers: [
    {
      config: {
        name: "d1",
        compatibilityDate: "2026-11-01",
        // What its databases answer over RPC is all that they know: rows by column, and `meta`.
        compatibilityFlags: ["d1_binding_jsrpc"],
        manifest: {
          mainModule: "d1.mjs",
          modulesRoot: import.meta.dirname,
          modules: { "d1.mjs": { type: "esm", contents: worker } },
        },
        env: Object.fromEntries(pool),
        exports: {},
      },
    },
  ],
});

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
process.stdin.on("end", async () => {
  await d1.dispose();
  process.exit();
});
process.stdin.resume();
console.log((await d1.ready).host);
