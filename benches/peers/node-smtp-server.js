// Node's smtp-server as a server that takes everything and keeps nothing, for benches/compare.
// Usage: node node-smtp-server.js PORT [CERTIFICATE KEY], with smtp-server to be found by require (NODE_PATH).
const { SMTPServer } = require('smtp-server');
const { Writable } = require('stream');
const { readFileSync } = require('fs');

const [port, certificate, key] = process.argv.slice(2);
// STARTTLS where there is a certificate.
const tls = certificate ? { cert: readFileSync(certificate), key: readFileSync(key) } : {};

const server = new SMTPServer({
  authOptional: true,
  ...tls,
  disabledCommands: certificate ? ['AUTH'] : ['AUTH', 'STARTTLS'],
  disableReverseLookup: true,
  maxClients: 1000,
  onData(stream, _session, done) {
    stream.on('end', () => done());
    stream.pipe(new Writable({ write: (_chunk, _encoding, taken) => taken() }));
  },
});
server.listen(Number(port), '127.0.0.1');
