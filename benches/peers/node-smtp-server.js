// Node's smtp-server as a server that takes everything and keeps nothing, for benches/compare.
// Usage: node node-smtp-server.js PORT, with smtp-server to be found by require (NODE_PATH).
const { SMTPServer } = require('smtp-server');
const { Writable } = require('stream');

const server = new SMTPServer({
  authOptional: true,
  disabledCommands: ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  maxClients: 1000,
  onData(stream, _session, done) {
    stream.on('end', () => done());
    stream.pipe(new Writable({ write: (_chunk, _encoding, taken) => taken() }));
  },
});
server.listen(Number(process.argv[2]), '127.0.0.1');
