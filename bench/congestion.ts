import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

const CONTROL = '/proc/sys/net/ipv4/tcp_congestion_control';
/** What a network namespace may use; the kernel lets it take nothing else. */
const ALLOWED = '/proc/sys/net/ipv4/tcp_allowed_congestion_control';
const AVAILABLE = '/proc/sys/net/ipv4/tcp_available_congestion_control';
/** Tells the inner run what the machine uses by default. */
const DEFAULT_VARIABLE = 'TCP_STRIPER_BENCH_DEFAULT_CC';

/** The kernel's congestion control here and now. */
export function congestionControl(): string {
  return readFileSync(CONTROL, 'utf8').trim();
}

/** The machine's own, also in a run under another one. */
export function defaultCongestionControl(): string {
  return process.env[DEFAULT_VARIABLE] ?? congestionControl();
}

/**
 * Runs this program again under another congestion control, in a network namespace of its own: the
 * machine's setting is not touched, so there is nothing to restore, however the run ends.
 * @returns the exit status
 * @throws {Error} if the kernel lacks it, or no namespace can be made
 */
export async function runUnder(name: string): Promise<number> {
  const available = readFileSync(AVAILABLE, 'utf8').trim().split(/\s+/);
  if (!available.includes(name)) {
    throw new Error(
      `this kernel offers ${available.join(', ')}, not ${name} (modprobe tcp_${name})`,
    );
  }
  const allowed = readFileSync(ALLOWED, 'utf8').trim().split(/\s+/);
  if (!allowed.includes(name)) {
    const wanted = [...allowed, name].join(' ');
    throw new Error(
      `this kernel keeps ${name} from network namespaces; allow it: sysctl -w net.ipv4.tcp_allowed_congestion_control='${wanted}'`,
    );
  }
  const isRoot = process.getuid?.() === 0;
  const namespace = ['--net', ...(isRoot ? [] : ['--user', '--map-root-user'])];
  const probe = spawnSync('unshare', [...namespace, 'sh', '-c', PREPARE, 'sh', name, 'true'], {
    encoding: 'utf8',
  });
  if (probe.status !== 0) {
    const cause = probe.error?.message ?? probe.stderr.trim();
    throw new Error(
      `cannot run under ${name}: ${cause} (it needs unshare, ip and, for some, root)`,
    );
  }
  const self = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const inner = spawn('unshare', [...namespace, 'sh', '-c', PREPARE, 'sh', name, ...self], {
    stdio: 'inherit',
    env: { ...process.env, [DEFAULT_VARIABLE]: congestionControl() },
  });
  // The inner run ends what it has started; this one waits for it.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => inner.kill(signal));
  const [status] = await once(inner, 'exit');
  return typeof status === 'number' ? status : 1;
}

const PREPARE = `ip link set lo up && echo "$1" > ${CONTROL} && shift && exec "$@"`;
