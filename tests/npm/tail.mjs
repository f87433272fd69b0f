// A stand-in of Cloudflare's API for live logs: a worker's tail, and a WebSocket that says the events of a file, one JSON
// text a line, to whoever opens it, and then that it is over. What else is asked goes to the API that it stands before. Says
// its address in a line and serves until its standard input ends: then whoever started it is gone.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

// Of RFC 6455.
const [BINARY, CLOSE, NORMAL] = [2, 8, 1000];

const [events, behind] = process.argv.slice(2);
const tails = "/client/v4/accounts/0a1b2c3d/workers/scripts/";

const server = createServer((request, response) => {
  const { port } = server.address();
  const answer = (status, body) => {
    response.writeHead(status, { "content-type": "application/json" });
    response.end(JSON.stringify({ errors: [], messages: [], ...body }));
  };
  if (request.headers.authorization !== "Bearer hunter2-of-the-api") {
    answer(401, { success: false, errors: [{ code: 10000, message: "Authentication error" }], result: null });
  } else if (request.method === "POST" && request.url.startsWith(tails) && request.url.endsWith("/tails")) {
    const result = { id: "t1", url: `ws://127.0.0.1:${port}/t1`, expires_at: "2100-01-01T00:00:00Z" };
    answer(200, { success: true, result });
  } else if (request.method === "DELETE" && request.url.endsWith("/tails/t1")) {
    answer(200, { success: true, result: null });
  } else {
    forward(request, response).catch((error) => answer(502, { success: false, errors: [{ code: 0, message: `${error}` }] }));
  }
});

async function forward(request, response) {
  const body = request.method === "GET" ? undefined : await request.toArray().then((parts) => Buffer.concat(parts));
  const { authorization } = request.headers;
  const headers = { authorization, "content-type": "application/json" };
  const url = new URL(behind).origin + request.url;
  const answered = await fetch(url, { method: request.method, headers, body });
  response.writeHead(answered.status, { "content-type": "application/json" });
  response.end(Buffer.from(await answered.arrayBuffer()));
}

// What the client says is not read: wrangler masks some of its frames and others not, which no library takes.
server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  const accept = createHash("sha1").update(key).digest("base64");
  const upgrade = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade";
  socket.write(`${upgrade}\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: trace-v1\r\n\r\n`);
  socket.on("error", () => {}).resume();
  const lines = readFileSync(events, "utf8").split("\n").filter(Boolean);
  for (const line of lines) socket.write(frame(BINARY, Buffer.from(line)));
  socket.end(frame(CLOSE, Buffer.from([NORMAL >> 8, NORMAL & 255])));
});

function frame(kind, body) {
  const length = body.length < 126 ? [body.length] : [126, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([128 | kind, ...length]), body]);
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => {});
process.stdin.on("end", () => process.exit());
process.stdin.resume();
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/client/v4`));
