// What whoever receives a webhook can begin with: each checks the signature of the exact body before it believes it.

export const RECEIVERS = {
  Node: `import { createHmac, timingSafeEqual } from 'node:crypto';
import { createServer } from 'node:http';

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const wanted = createHmac('sha256', process.env.WEBHOOK_SECRET).update(body).digest();
  const given = Buffer.from(request.headers['x-webhook-signature'] ?? '', 'hex');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) {
    return response.writeHead(401).end();
  }
  // The same id comes again when a delivery is repeated.
  const { id, event, data } = JSON.parse(body);
  console.log(id, event, data);
  response.end();
}).listen(8080);`,
  Python: `import hashlib, hmac, json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

SECRET = os.environ["WEBHOOK_SECRET"].encode()

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        wanted = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
        given = self.headers.get("x-webhook-signature", "")
        is_right = hmac.compare_digest(given.encode(), wanted.encode())
        self.send_response(200 if is_right else 401)
        self.end_headers()
        if is_right:
            # The same id comes again when a delivery is repeated.
            told = json.loads(body)
            print(told["id"], told["event"], told["data"])

HTTPServer(("127.0.0.1", 8080), Receiver).serve_forever()`,
  Rust: `// With the crates hex, hmac, sha2 and serde_json: for any server, with the exact bytes of the body.
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

fn told(secret: &[u8], signature: &str, body: &[u8]) -> Option<serde_json::Value> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(body);
    // Compares in constant time.
    mac.verify_slice(&hex::decode(signature).ok()?).ok()?;
    serde_json::from_slice(body).ok()
}`,
};
