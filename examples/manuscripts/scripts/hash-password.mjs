// The application's way to keep a password: PBKDF2 with SHA-256, a salt of its own for each. Reads NEW_PASSWORD, prints the hash.
import { pbkdf2Sync, randomBytes } from "node:crypto";

const password = process.env.NEW_PASSWORD;
if (!password) {
  console.error("NEW_PASSWORD is empty");
  process.exit(1);
}
const iterations = 100000;
const salt = randomBytes(16);
const hash = pbkdf2Sync(password, salt, iterations, 32, "sha256");
console.log(`pbkdf2$${iterations}$${salt.toString("base64")}$${hash.toString("base64")}`);
