import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { version } from '../../src/core/version.ts';
import { Command, runCommand } from './command.ts';

const limit = { timeout: 30_000 };
const anyAdmin = ['--admin', '127.0.0.1:0'];

let home = '';
const running: Command[] = [];
const sockets: Socket[] = [];
let target: Server;
let targetPort = '';

beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'tcp-striper-cli-'));
  target = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.pipe(socket);
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  targetPort = String((target.address() as { port: number }).port);
});

afterEach(async () => {
  for (const command of running.splice(0)) command.kill('SIGKILL');
  for (const socket of sockets.splice(0)) socket.destroy();
  await new Promise((done) => target.close(done));
  rmSync(home, { recursive: true });
});

test('version and help go to stdout, wherever they are asked for', limit, async () => {
  for (const args of [['-v'], ['--version'], ['entry', '-v']]) {
    assert.deepEqual(await run(args), { status: 0, stdout: `${version}\n`, stderr: '' });
  }
  for (const args of [
    ['--help'],
    ['help'],
    ['entry', '-h'],
    ['help', 'entry'],
    ['key', 'new', '-h'],
  ]) {
    const { status, stdout, stderr } = await run(args);
    assert.deepEqual([status, stderr], [0, ''], args.join(' '));
    assert.match(stdout, /^Usage: tcp-striper/);
    assert.match(stdout, /\nExamples:\n/);
  }
});

test('a wrong command line: 2, and one line that says what would be right', limit, async () => {
  const entry = ['entry', '--exit', 'x:1'];
  const cases: [string[], RegExp][] = [
    [['entri'], /unknown command 'entri' \(Did you mean entry\?\)/],
    [['entry', '--exitt', 'x:1'], /unknown option '--exitt' \(Did you mean --exit\?\)/],
    [['entry'], /entry needs --exit <ADDR,...> \(or TCP_STRIPER_EXIT\)/],
    [['exit'], /exit needs --to <ADDR>/],
    [[...entry, '-n', '65'], /'--?n?.*--lanes <N>' argument '65' is invalid.*from 1 to 64/],
    [[...entry, '--memory', '1MiB'], /--memory.*at least 16MiB/],
    [[...entry, '--busy-poll', '1s'], /--busy-poll.*the most is 10ms/],
    [[...entry, '--workers', '0'], /--workers.*'0' is no number from 1 to 64 and not 'auto'/],
    [[...entry, '--drain', '30'], /--drain.*'30' is no duration; write it as in 500ms, 30s/],
    [[...entry, '--scheduler', 'best'], /--scheduler.*adaptive, round-robin, until-congested/],
    [[...entry, '--from', 'eth0'], /--from.*'eth0' is no IP address/],
    [[...entry, '--admin', 'unix:/x'], /--admin.*no HOST:PORT and not 'off'/],
    [['entry', '--exit', 'x:1,y'], /--exit.*'y' has no port; write it as in y:7000/],
    [['exit', '--to', '22'], /--to.*write it as in localhost:22/],
    [['relay', '--connect-timeout', '0'], /--connect-timeout.*at least 1ms/],
    [['relay', '1', '2'], /too many arguments for 'relay'/],
    [['relay', 'x'], /LISTEN.*'x' has no port/],
    [['lanes', 'drain', 'x'], /ID.*'x' is no number/],
    [['relay', '0', '--admin', '0.0.0.0:0'], /other machines can reach needs a token/],
    [['relay', '0', '--admin-token-file', '/nope'], /cannot read the token file \/nope/],
  ];
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { status, stdout, stderr } = await run(args);
      assert.deepEqual([status, stdout], [2, ''], args.join(' '));
      assert.match(stderr, /^tcp-striper: [^\n]+\n$/);
      assert.match(stderr, message);
    }),
  );
});

test('an option goes before its variable, the variable before the default', limit, async () => {
  const env = { TCP_STRIPER_TO: `127.0.0.1:${targetPort}`, TCP_STRIPER_ADMIN: 'off' };
  const relay = start(['relay', '127.0.0.1:0'], env);
  assert.equal(await throughput(await listening(relay), 'by variable'), 'by variable');
  relay.kill('SIGTERM');
  assert.equal(await relay.ended, 0);
  assert.doesNotMatch(relay.stdout, /admin/);

  const other = start(['relay', '127.0.0.1:0', '--to', env.TCP_STRIPER_TO], {
    TCP_STRIPER_TO: '127.0.0.1:1',
    TCP_STRIPER_ADMIN: 'off',
  });
  assert.equal(await throughput(await listening(other), 'by option'), 'by option');

  const wrong = await run(['entry', '--exit', 'x:1'], { TCP_STRIPER_LANES: 'many' });
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /'many' from env 'TCP_STRIPER_LANES' is invalid/);
});

test(
  'a switch is set by a variable that says yes, and not by one that says no',
  limit,
  async () => {
    const command = ['status', '--admin', '127.0.0.1:1'];
    for (const [value, status] of [
      ['yes', 4],
      ['0', 4],
      ['', 4],
      ['maybe', 2],
    ] as const) {
      assert.equal((await run(command, { TCP_STRIPER_JSON: value })).status, status, value);
    }
  },
);

test('key new writes a key once, for its owner, and shows its fingerprint', limit, async () => {
  const path = join(home, 'tcp-striper', 'key');
  const made = await run(['key', 'new']);
  assert.equal(made.status, 0, made.stderr);
  assert.ok(made.stdout.includes(path));
  assert.match(made.stdout, /fingerprint [0-9a-f-]{14}\n/);
  const text = readFileSync(path, 'utf8');
  assert.ok(!made.stdout.includes(text.trim()), 'the key itself is not shown');
  if (process.platform !== 'win32') assert.equal(statSync(path).mode & 0o777, 0o600);

  const again = await run(['key', 'new']);
  assert.equal(again.status, 2);
  assert.match(again.stderr, /exists and is left as it is/);
  assert.equal(readFileSync(path, 'utf8'), text);

  const elsewhere = join(home, 'other.key');
  assert.equal((await run(['key', 'new', elsewhere])).status, 0);
  assert.notEqual(readFileSync(elsewhere, 'utf8'), text);
});

test('without a key, or with a bad one, both ends refuse to start', limit, async () => {
  for (const args of [
    ['entry', '--exit', '127.0.0.1:1'],
    ['exit', '--to', '127.0.0.1:1', '--plain'],
  ]) {
    const none = await run(args);
    assert.equal(none.status, 2);
    assert.match(none.stderr, /no key: make one with 'tcp-striper key new'/);
    const bad = await run(args, { TCP_STRIPER_KEY: 'hunter2' });
    assert.equal(bad.status, 2);
    assert.match(bad.stderr, /TCP_STRIPER_KEY holds no key/);
    assert.doesNotMatch(bad.stderr, /hunter2/);
  }
});

test('an address that is taken: 3, in one line of the log', limit, async () => {
  const { status, stdout, stderr } = await run(['relay', `127.0.0.1:${targetPort}`, ...anyAdmin]);
  assert.deepEqual([status, stdout], [3, '']);
  const entry = JSON.parse(stderr);
  assert.equal(entry.level, 'error');
  assert.match(entry.message, new RegExp(`cannot listen on 127.0.0.1:${targetPort}: .*in use`));
});

test('status shows a running process, for a human and as JSON', limit, async () => {
  const relay = startRelay();
  const port = await listening(relay);
  const admin = await relay.printed(/^admin at http:\/\/(\S+)$/m);
  const socket = await open(port);
  socket.write('more');
  await once(socket, 'data');

  const human = await run(['status', '--admin', admin]);
  assert.equal(human.status, 0, human.stderr);
  assert.match(human.stdout, new RegExp(`^relay ${version}, up .*127.0.0.1:${port}`));
  assert.match(human.stdout, /connections 1 active, 1 opened/);

  const json = await run(['status', '--json'], { TCP_STRIPER_ADMIN: admin });
  const { role, listen, bridges } = JSON.parse(json.stdout);
  assert.deepEqual([role, listen], ['relay', [`127.0.0.1:${port}`]]);
  assert.equal(bridges[0].near.receivedBytes, '.more'.length);
});

test('nobody to ask: 4, in one line', limit, async () => {
  const nobody = createServer().listen(0, '127.0.0.1');
  await once(nobody, 'listening');
  const { port } = nobody.address() as { port: number };
  await new Promise((done) => nobody.close(done));
  for (const args of [
    ['status'],
    ['status', '--json'],
    ['lanes', 'add'],
    ['lanes', 'remove', '1'],
  ]) {
    const { status, stdout, stderr } = await run([...args, '--admin', `127.0.0.1:${port}`]);
    assert.deepEqual([status, stdout], [4, ''], args.join(' '));
    assert.match(stderr, /^tcp-striper: 127\.0\.0\.1:\d+ refuses the connection[^\n]*\n$/);
  }
});

test('a token guards the admin server; status and lanes bring it', limit, async () => {
  const token = { TCP_STRIPER_ADMIN_TOKEN: 'a-token-of-enough-length' };
  const relay = start(['relay', '127.0.0.1:0', ...anyAdmin], token);
  const admin = await relay.printed(/^admin at http:\/\/(\S+)$/m);
  assert.equal((await run(['status', '--admin', admin], token)).status, 0);
  const without = await run(['status', '--admin', admin]);
  assert.equal(without.status, 4);
  assert.match(without.stderr, /asks for its token: give --admin-token-file/);
  const lanes = await run(['lanes', 'add', '--admin', admin], token);
  assert.equal(lanes.status, 1);
  assert.match(lanes.stderr, /business of an entry/);
});

test('SIGTERM: no new connection, the old one ends by itself, 0', limit, async () => {
  const relay = startRelay();
  const port = await listening(relay);
  const socket = await open(port);
  relay.kill('SIGTERM');
  await relay.logged(/stopping/);
  await refused(port);
  socket.write('still here');
  assert.equal(String((await once(socket, 'data'))[0]), 'still here');
  socket.end();
  assert.equal(await relay.ended, 0);
});

test('the time to drain runs out: the connection is cut by RST, 5', limit, async () => {
  const relay = startRelay('--drain', '50ms');
  const socket = await open(await listening(relay));
  const cut = failure(socket);
  relay.kill('SIGINT');
  assert.equal(await relay.ended, 5);
  assert.equal(await cut, 'ECONNRESET');
});

test('a second signal cuts at once', limit, async () => {
  for (const [second, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    const relay = startRelay();
    const cut = failure(await open(await listening(relay)));
    relay.kill('SIGTERM');
    await relay.logged(/stopping/);
    relay.kill(second);
    assert.equal(await relay.ended, status);
    assert.equal(await cut, 'ECONNRESET');
  }
});

test('SIGHUP does nothing to a process without a terminal', limit, async () => {
  const relay = startRelay();
  const port = await listening(relay);
  relay.kill('SIGHUP');
  assert.equal(await throughput(port, 'unmoved'), 'unmoved');
  relay.kill('SIGTERM');
  assert.equal(await relay.ended, 0);
});

test('whoever reads stdout and stderr may go away', limit, async () => {
  const relay = startRelay('--log-level', 'debug');
  const port = await listening(relay);
  relay.child.stdout!.destroy();
  relay.child.stderr!.destroy();
  assert.equal(await throughput(port, 'unread'), 'unread');
  relay.kill('SIGTERM');
  assert.equal(await relay.ended, 0);
});

test('results are on stdout, the log is on stderr, JSON by default', limit, async () => {
  const relay = startRelay('--log-level', 'debug');
  const port = await listening(relay);
  await throughput(port, 'x');
  relay.kill('SIGTERM');
  await relay.ended;
  assert.match(
    relay.stdout,
    /^listening on 127\.0\.0\.1:\d+\nadmin at http:\/\/127\.0\.0\.1:\d+\n$/,
  );
  const lines = relay.stderr.trim().split('\n');
  assert.ok(lines.length >= 1);
  for (const line of lines) assert.ok(JSON.parse(line).message, line);
});

test('entry and exit share a key; lanes come and go by order', limit, async () => {
  await run(['key', 'new']);
  const exit = start(['exit', '127.0.0.1:0', '--to', `127.0.0.1:${targetPort}`, ...anyAdmin]);
  const exitPort = await listening(exit);
  const entry = start(['entry', '0', '--exit', `127.0.0.1:${exitPort}`, '-n', '2', ...anyAdmin]);
  const port = await listening(entry);
  assert.equal(await throughput(port, 'through two lanes'), 'through two lanes');

  const fingerprints = [exit, entry].map((one) => one.logged(/"fingerprint":"([^"]+)"/));
  assert.equal(await fingerprints[0], await fingerprints[1]);

  const admin = await entry.printed(/^admin at http:\/\/(\S+)$/m);
  const added = await run(['lanes', 'add', '--admin', admin]);
  assert.equal(added.status, 0, added.stderr);
  const id = /lane (\d+) is up/.exec(added.stdout)![1]!;
  const removed = await run(['lanes', 'remove', id, '--admin', admin]);
  assert.equal(removed.stdout, `lane ${id} is removed\n`);
  const gone = await run(['lanes', 'drain', '999', '--admin', admin]);
  assert.equal(gone.status, 1);
  assert.match(gone.stderr, /999/);

  for (const command of [entry, exit]) {
    command.kill('SIGTERM');
    assert.equal(await command.ended, 0);
  }
});

function run(args: readonly string[], env: Record<string, string> = {}) {
  return runCommand(args, { env: { XDG_CONFIG_HOME: home, ...env } });
}

function start(args: readonly string[], env: Record<string, string> = {}): Command {
  const command = new Command(args, { env: { XDG_CONFIG_HOME: home, ...env } });
  running.push(command);
  return command;
}

function startRelay(...more: string[]): Command {
  return start(['relay', '127.0.0.1:0', '--to', `127.0.0.1:${targetPort}`, ...anyAdmin, ...more]);
}

function listening(command: Command): Promise<string> {
  return command.printed(/^listening on 127\.0\.0\.1:(\d+)$/m);
}

/** A connection that has carried a byte there and back, so that the target has it too. */
async function open(port: string): Promise<Socket> {
  const socket = dial(port);
  socket.write('.');
  await once(socket, 'data');
  return socket;
}

/** What the target sends back of `text`. */
async function throughput(port: string, text: string): Promise<string> {
  const socket = dial(port);
  socket.end(text);
  let back = '';
  for await (const chunk of socket) back += String(chunk);
  return back;
}

async function refused(port: string): Promise<void> {
  assert.equal(await failure(dial(port)), 'ECONNREFUSED');
}

/** The code of the error that a socket ends with. */
async function failure(socket: Socket): Promise<string | undefined> {
  socket.resume();
  await new Promise((done) => socket.once('close', done));
  return (socket.errored as NodeJS.ErrnoException | null)?.code;
}

function dial(port: string): Socket {
  const socket = connect({ port: Number(port), host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {});
  return socket;
}
