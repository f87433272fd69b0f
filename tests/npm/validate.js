// Judges JSON lines on standard input by a schema: `node validate.js SCHEMA`. Stricter than the schema says: a key or a
// kind of event that it does not know is an error, so that nothing is added without being described.
"use strict";
const fs = require("fs");
const Ajv = require("ajv/dist/2020");
const addFormats = require("ajv-formats");

// Only schemas with a type of their own are closed: the others are parts of those.
function close(node) {
  if (Array.isArray(node)) return node.forEach(close);
  if (node === null || typeof node !== "object") return;
  Object.values(node).forEach(close);
  if (node.type === "object" && node.properties) node.unevaluatedProperties = false;
}

const schema = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
close(schema);
const kinds = schema.properties.type && schema.properties.type.examples;
if (kinds) schema.properties.type.enum = kinds;

const ajv = new Ajv({ allErrors: true, strictTypes: false, strictRequired: false, allowUnionTypes: true });
addFormats(ajv);
const validate = ajv.compile(schema);
const lines = fs.readFileSync(0, "utf8").split("\n").filter(Boolean);
let wrong = 0;
for (const line of lines) {
  if (validate(JSON.parse(line))) continue;
  wrong += 1;
  for (const error of validate.errors.slice(0, 5)) {
    console.log(`${error.instancePath} ${error.message} ${JSON.stringify(error.params)} in ${line.slice(0, 400)}`);
  }
}
console.log(`${lines.length} judged, ${wrong} wrong`);
process.exit(wrong === 0 ? 0 : 1);
