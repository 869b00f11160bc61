import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Hosts } from './far-pair.ts';

/** Ports of the near host: no more than there are classes, so that no two connections share one. */
const FIRST_PORT = 0xa000;
const PORTS = 256;
/** Queue of a class, ms. */
const QUEUE = 50;
/** Link-layer bytes of a full packet, and what of it is a TCP connection's. */
const PACKET = 1514;
const PAYLOAD = 1448;

/** Why there can be none here; null if there can. */
export function whyNoNamespaces(): string | null {
  if (process.platform !== 'linux') return 'network namespaces are Linux only';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const tool of ['ip', 'tc', 'nft']) {
    if (!succeeds(tool, '-V')) return `${tool} is not installed`;
  }
  const name = `ts-probe-${process.pid}`;
  if (!succeeds('ip', 'netns', 'add', name)) return 'no network namespace can be made here';
  try {
    const inside = (...args: string[]) => succeeds('ip', 'netns', 'exec', name, ...args);
    const link = ['ip', 'link', 'add', 'probe', 'type', 'veth', 'peer', 'name', 'other'];
    if (!inside(...link)) return 'the kernel has no veth';
    if (!inside('tc', 'qdisc', 'add', 'dev', 'probe', 'root', 'htb')) return 'no HTB here';
    const table = 'add table inet t; add chain inet t c { type filter hook input priority 0; }';
    if (!inside('nft', table)) return 'the kernel has no nftables';
    return null;
  } finally {
    succeeds('ip', 'netns', 'del', name);
  }
}

/** What the kernel lets namespaces use of these, in this order. */
export function congestionControls(wanted: readonly string[]): string[] {
  const allowed = readFileSync('/proc/sys/net/ipv4/tcp_allowed_congestion_control', 'utf8')
    .trim()
    .split(' ');
  return wanted.filter((name) => allowed.includes(name));
}

/**
 * Two hosts joined by a cable, whose kernels cap each TCP connection from the near to the far one:
 *
 *   near --- HTB, a class for each source port ---> veth ---> nftables: policer, faults --- far
 *        <-------------------------------------------------------------------------------
 *
 * It has no delay of its own. Rates are bytes per second of TCP payload, in full packets.
 */
export class Namespaces implements Hosts {
  readonly address = '10.78.0.2';
  readonly near: readonly string[];
  readonly far: readonly string[];
  readonly #names: readonly [near: string, far: string];
  readonly #onExit = () => this.close();

  constructor(congestion: string) {
    made += 1;
    const name = `ts-${process.pid}-${made}`;
    this.#names = [`${name}-near`, `${name}-far`];
    this.near = ['ip', 'netns', 'exec', this.#names[0]];
    this.far = ['ip', 'netns', 'exec', this.#names[1]];
    process.once('exit', this.#onExit);
    try {
      this.#build(congestion);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Caps every connection by a shaper with a queue. */
  shape(rate: number): void {
    const lines = [
      'qdisc add dev cable root handle 1: htb default ffff',
      'class add dev cable parent 1: classid 1:ffff htb rate 10gbit burst 1m cburst 1m quantum 60000',
    ];
    for (let port = FIRST_PORT; port < FIRST_PORT + PORTS; port += 1) {
      const queue = Math.round((rate * QUEUE) / 1000);
      const id = classOf(port);
      lines.push(
        `class add dev cable parent 1: classid 1:${id} ${htb(rate)}`,
        `qdisc add dev cable parent 1:${id} handle ${id}: bfifo limit ${queue}`,
      );
    }
    this.#on('near', ['tc', '-batch', '-'], lines.join('\n'));
    // Classic BPF: class = 0x1_0100 + low byte of the source port, which is behind 34 bytes of headers.
    const program = '5,40 0 0 34,84 0 0 255,4 0 0 256,68 0 0 65536,22 0 0 0';
    const where = 'tc filter add dev cable parent 1: protocol ip prio 1 bpf bytecode'.split(' ');
    this.#on('near', [...where, program]);
  }

  /** Gives the connection from that port a rate of its own. */
  reshape(port: number, rate: number): void {
    const command = `tc class change dev cable parent 1: classid 1:${classOf(port)} ${htb(rate)}`;
    this.#on('near', command.split(' '));
  }

  /** Caps every connection by a policer without a queue: what comes above the rate is dropped. */
  police(rate: number, burst: number): void {
    const bytes = Math.round((rate * IP_PACKET) / PAYLOAD);
    const connection = 'ip saddr . tcp sport . ip daddr . tcp dport';
    const limit = `limit rate over ${bytes} bytes/second burst ${burst} bytes`;
    this.#nft(`table inet policer {
      set connections {
        type ipv4_addr . inet_service . ipv4_addr . inet_service
        flags dynamic
        timeout 60s
      }
      chain in {
        type filter hook input priority 0
        meta l4proto tcp update @connections { ${connection} ${limit} } drop
      }
    }`);
  }

  /** Drops everything of the connection from that port, both ways, until `heal`. */
  blackhole(port: number): void {
    this.#nft(`table inet fault {
      chain in { type filter hook input priority -10; tcp sport ${port} drop; };
      chain out { type filter hook output priority -10; tcp dport ${port} drop; };
    }`);
  }

  /** Answers the connection from that port with RST, until `heal`. */
  refuse(port: number): void {
    this.#nft(`table inet fault {
      chain in { type filter hook input priority -10; tcp sport ${port} reject with tcp reset; };
    }`);
  }

  heal(): void {
    this.#nft('delete table inet fault');
  }

  close(): void {
    process.off('exit', this.#onExit);
    for (const name of this.#names) succeeds('ip', 'netns', 'del', name);
  }

  #build(congestion: string): void {
    const [near, far] = this.#names;
    for (const name of this.#names) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
      const settings = [
        'net.ipv4.tcp_no_metrics_save=1',
        `net.ipv4.tcp_congestion_control=${congestion}`,
      ];
      ip('netns', 'exec', name, 'sysctl', '-qw', ...settings);
    }
    const range = `net.ipv4.ip_local_port_range=${FIRST_PORT} ${FIRST_PORT + PORTS - 1}`;
    this.#on('near', ['sysctl', '-qw', range]);
    ip(...`-n ${near} link add cable type veth peer name cable netns ${far}`.split(' '));
    const addresses = ['10.78.0.1/24', `${this.address}/24`];
    for (const [at, name] of this.#names.entries()) {
      ip('-n', name, 'addr', 'add', addresses[at]!, 'dev', 'cable');
      // Super-packets would be dropped whole.
      ip('-n', name, 'link', 'set', 'cable', 'gso_max_segs', '1', 'up');
    }
  }

  #nft(rules: string): void {
    this.#on('far', ['nft', '-f', '-'], rules);
  }

  #on(side: 'near' | 'far', args: readonly string[], input = ''): void {
    const [command, ...prefix] = this[side];
    execFileSync(command!, [...prefix, ...args], { input, stdio: ['pipe', 'ignore', 'pipe'] });
  }
}

function htb(rate: number): string {
  const bits = Math.round((rate * 8 * PACKET) / PAYLOAD);
  return `htb rate ${bits}bit ceil ${bits}bit burst 3000 cburst 3000 quantum ${PACKET}`;
}

/** The minor number of a port's class, hexadecimal. */
function classOf(port: number): string {
  return (256 + (port % PORTS)).toString(16);
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

function succeeds(command: string, ...args: string[]): boolean {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const IP_PACKET = 1500;
let made = 0;
