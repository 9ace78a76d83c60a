// As much of express as the receiver uses: `app.post`, a body that is parsed, an answer. Says of each call what was answered.
const http = require('http');

const handlers = {};
global.app = { post: (path, handler) => { handlers[path] = handler; } };
require(process.argv[2]);

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(pieces));
    const answer = (status) => {
      response.writeHead(status).end();
      console.log('answered', status, body.event);
    };
    let status = 200;
    const told = { status: (code) => { status = code; return told; }, send: () => answer(status), sendStatus: answer };
    handlers[request.url]({ body, headers: request.headers }, told);
  });
});
server.listen(0, '127.0.0.1', () => console.log('listening', `http://127.0.0.1:${server.address().port}/webhook`));
