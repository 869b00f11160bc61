/**
 * The one file that reaches for the classes that `net.Socket` is made of. Node has them since version 0.11
 * and calls `process.binding()` deprecated in its documents only; where they can't be had, connections
 * are `net.Socket`s (docs/adr/0015). Tested on Node 20, 22 and 24.
 */
export interface Bindings {
  /** A closed handle of TCP. */
  newTcp(): Handle;
  /** A closed handle of a unix socket, or of a named pipe. */
  newUnix(): Handle;
  newConnect(isUnix: boolean): Request;
  readonly WriteRequest: new () => Request;
  readonly ShutdownRequest: new () => Request;
  /** Bytes of the read that `onread` was just called for, or the system's error. */
  lastRead(): number;
  /** True if the last write left something to be written later. */
  isWriteUnderWay(): boolean;
  /** True for a connection of TCP or a unix socket. */
  isHandle(value: unknown): value is Handle;
}

/** An operation that the system ends later. */
export interface Request {
  oncomplete: (this: Request, status: number) => void;
  /** Ours: whom it belongs to. */
  owner?: unknown;
}

/** The native side of a connection. Numbers returned are 0 or the system's error, negative. */
export interface Handle {
  /** Called for each read, end and error; a returned buffer is the place of the next read. */
  onread: (this: Handle) => Uint8Array | undefined;
  /** Ours: whom it belongs to. */
  owner?: unknown;
  readStart(): number;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
  writeBuffer(request: Request, bytes: Uint8Array): number;
  writev(request: Request, list: readonly Uint8Array[], areBuffers: true): number;
  shutdown(request: Request): number;
  connect(request: Request, host: string, port?: number): number;
  connect6?(request: Request, host: string, port: number): number;
  close(onClosed?: (this: Handle) => void): void;
  /** TCP alone has what follows. */
  reset?(onClosed: (this: Handle) => void): number;
  setNoDelay?(isOn: boolean): number;
  setKeepAlive?(isOn: boolean, seconds: number): number;
  getpeername?(out: { address?: string; family?: string; port?: number }): number;
}

type HandleClass = new (type: number) => Handle;

interface TcpBinding {
  readonly TCP: HandleClass;
  readonly TCPConnectWrap: new () => Request;
  readonly constants: { readonly SOCKET: number };
}

interface PipeBinding {
  readonly Pipe: HandleClass;
  readonly PipeConnectWrap: new () => Request;
  readonly constants: { readonly SOCKET: number };
}

interface StreamBinding {
  readonly WriteWrap: new () => Request;
  readonly ShutdownWrap: new () => Request;
  readonly streamBaseState: Int32Array;
  readonly kReadBytesOrError: number;
  readonly kLastWriteWasAsync: number;
}

let loaded: Bindings | null | undefined;

/** Null where this Node does not hand them out. */
export function bindings(): Bindings | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

function load(): Bindings | null {
  try {
    // Stated cast: undocumented, and looked at before it is relied on.
    const { binding } = process as unknown as { binding(name: string): unknown };
    const tcp = binding('tcp_wrap') as TcpBinding;
    const pipe = binding('pipe_wrap') as PipeBinding;
    const stream = binding('stream_wrap') as StreamBinding;
    return isKnown(tcp, pipe, stream) ? assemble(tcp, pipe, stream) : null;
  } catch {
    return null; // such as under the permission model
  }
}

function isKnown(tcp: TcpBinding, pipe: PipeBinding, stream: StreamBinding): boolean {
  const methods = ['readStart', 'readStop', 'useUserBuffer', 'writeBuffer', 'writev', 'shutdown'];
  return (
    [tcp.TCP, pipe.Pipe].every((kind) => methods.every((name) => name in kind.prototype)) &&
    [tcp.TCPConnectWrap, pipe.PipeConnectWrap].every(isFunction) &&
    [stream.WriteWrap, stream.ShutdownWrap].every(isFunction) &&
    typeof tcp.constants.SOCKET === 'number' &&
    typeof pipe.constants.SOCKET === 'number' &&
    typeof stream.streamBaseState[stream.kReadBytesOrError] === 'number' &&
    typeof stream.streamBaseState[stream.kLastWriteWasAsync] === 'number'
  );
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function';
}

function assemble(tcp: TcpBinding, pipe: PipeBinding, stream: StreamBinding): Bindings {
  const { streamBaseState: state, kReadBytesOrError, kLastWriteWasAsync } = stream;
  return {
    newTcp: () => new tcp.TCP(tcp.constants.SOCKET),
    newUnix: () => new pipe.Pipe(pipe.constants.SOCKET),
    newConnect: (isUnix) => (isUnix ? new pipe.PipeConnectWrap() : new tcp.TCPConnectWrap()),
    WriteRequest: stream.WriteWrap,
    ShutdownRequest: stream.ShutdownWrap,
    lastRead: () => state[kReadBytesOrError]!,
    isWriteUnderWay: () => state[kLastWriteWasAsync] !== 0,
    isHandle: (value): value is Handle => value instanceof tcp.TCP || value instanceof pipe.Pipe,
  };
}
