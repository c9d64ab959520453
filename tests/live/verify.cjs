// Verifies one delivery with the `standardwebhooks` library: secret, headers and body come as JSON on standard input.
// Prints the payload that it found; ends with 1 when the library refuses it.
const { readFileSync } = require("node:fs");
const { Webhook, WebhookVerificationError } = require("standardwebhooks");

const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
try {
  console.log(JSON.stringify(new Webhook(secret).verify(body, headers)));
} catch (error) {
  if (!(error instanceof WebhookVerificationError)) throw error;
  console.error(error.message);
  process.exit(1);
}
