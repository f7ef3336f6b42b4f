// Reads mails with a package of npm's: parse.mjs mailparser|postal-mime FILE..., one line of JSON for each. The package is
// in node_modules of the working directory.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);

// Both decode the body; what is printed is its text in UTF-8, without the byte order mark that one of them drops.
async function mailparser(octets) {
  const mail = await require("mailparser").simpleParser(octets, { skipHtmlToText: true });
  const received = mail.headerLines.filter(({ key }) => key === "received").map(({ line }) => line);
  return { received, subject: mail.subject, from: mail.from?.text, text: mail.text };
}

async function postalMime(octets) {
  const mail = await require("postal-mime").default.parse(octets);
  const received = mail.headers.filter(({ key }) => key === "received").map(({ value }) => value);
  return { received, subject: mail.subject, from: mail.from?.address, text: mail.text };
}

const [name, ...files] = process.argv.slice(2);
const read = { mailparser, "postal-mime": postalMime }[name];
require(name);
for (const file of files) {
  const { received, subject, from, text } = await read(readFileSync(file));
  const date = received.length ? Date.parse(received[0].split(";").at(-1)) / 1000 : null;
  const body = Buffer.from((text ?? "").replace(/^\uFEFF/, "")).subarray(0, 40).toString("base64");
  console.log(JSON.stringify({ received: received.length, date, subject, from, body }));
}
