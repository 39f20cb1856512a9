/// <reference lib="esnext.disposable" />

/** Noodle from Node.js: libraries of Python, C and npm behind one dispatcher. */

export type TypedArray =
  | Int8Array | Uint8Array | Uint8ClampedArray | Int16Array | Uint16Array | Int32Array | Uint32Array
  | BigInt64Array | BigUint64Array | Float32Array | Float64Array;

/** An AbortSignal, whether its type comes from the DOM or from Node.js. */
export interface Signal {
  readonly aborted: boolean;
  readonly reason: any;
  addEventListener(type: "abort", listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: "abort", listener: () => void): void;
}

/** What holds for each call of a function, an object or a library. */
export interface CallOptions {
  /** Milliseconds that a call may take; then it fails with `DeadlineExceededError`. */
  deadline?: number;
  /** Gives a call up. */
  signal?: Signal;
  /** What arrays of 64-bit integers become: a BigInt64Array, or a Float64Array if each is exact. */
  int64?: "bigint" | "number";
  /** Where the target runs: `inprocess`, `isolated`, … */
  placement?: string;
}

/** What a handle of Python has counted. */
export interface Statistics {
  calls: number;
  errors: number;
  plan_misses: number;
  timed_calls: number;
  mean_seconds: number | null;
}

/** The way of a call through the dispatcher. */
export interface Plan {
  /** All of it, to be read. */
  text: string;
  library: string;
  function: string;
  target: string;
  bridge: string;
  placement: string;
  signature: string;
  prototype: string;
  stages: { stage: string; reason: string; active: boolean }[];
  candidates: string[];
  predicted: Record<string, number>;
  notes: string[];
  epoch: number;
}

/** What a member is. */
export interface Description {
  kind: string;
  parameters: string[];
  documentation: string | null;
}

type Key = string | number | bigint | boolean | null;

/** What Noodle does with a library, an object or a member. No name of Python begins with `$`. */
export interface Operations<Self = Remote> {
  /** The same with these options for each call. */
  $options(options: CallOptions): Self;
  /** Calls it, and leaves the result in Python. */
  $ref(...args: unknown[]): Promise<Remote>;
  /** Calls it once for each row of arguments, with one message. */
  $batch<T = any>(rows: (unknown[] | Named)[]): Promise<T[]>;
  /** What a call with these arguments would do. */
  $explain(...args: unknown[]): Promise<Plan>;
  $stats(): Promise<Statistics>;
  /** Names of the parameters and the documentation, for editors. */
  $describe(): Promise<Description>;
  /** A copy by value. */
  $copy<T = any>(): Promise<T>;
  /** A member whose name JavaScript takes for itself, such as `then`. */
  $get(...path: string[]): Path;
  /** An item: `x[key]` of Python. */
  $item(key: unknown): Path;
  $set(name: string, value: unknown): Promise<void>;
  $setItem(key: unknown, value: unknown): Promise<void>;
  /** Deletes an attribute, or the item of a list of one key. */
  $delete(name: string | [Key]): Promise<void>;
  $has(name: string): Promise<boolean>;
  $names(): Promise<string[]>;
  $length(): Promise<number>;
  /** How Python shows it. */
  $text(): Promise<string>;
  /** Lets the object go now; the garbage collector does later. */
  $release(): void;
}

interface Callable {
  (...args: unknown[]): Promise<any>;
  new (...args: unknown[]): Promise<any>;
}

/** Members, of which nothing is known before they are looked up. */
interface Members {
  readonly [name: string]: Path;
  readonly [index: number]: Path;
}

/** A member that is looked up when it is awaited, called or iterated. */
export type Path = Callable & Operations<Path> & PromiseLike<any> & AsyncIterable<any> & {
  catch<T>(onRejected: (reason: any) => T | PromiseLike<T>): Promise<any>;
  finally(onFinally: () => void): Promise<any>;
} & Members;

/** An object of Python: its members are paths, and it can be called if it is a function or a class. */
export type Remote = Callable & Operations<Remote> & AsyncIterable<any> & {
  [Symbol.asyncDispose](): Promise<void>;
  [Symbol.dispose](): void;
} & Members;

type Argument<T> = T | PromiseLike<T> | Path | Named;
type Arguments<A extends readonly unknown[]> =
  { [I in keyof A]: Argument<A[I]> } | [...{ [I in keyof A]: Argument<A[I]> }, Named];

/** A library of which the types are known: its functions give promises, its values can be awaited. */
export type Typed<T> = Operations<Typed<T>> & {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? ((...args: Arguments<A>) => Promise<Awaited<R>>) & Operations<Path>
    : T[K] extends object ? Typed<T[K]> & PromiseLike<T[K]> : PromiseLike<T[K]>;
};

export type Library<T = unknown> = unknown extends T ? Remote & Executes : Typed<T> & Executes;

export interface Executes {
  /** Calls a function with arguments given as data: an object by name, an array by position. */
  $execute<T = any>(operation: string, data: unknown): Promise<T>;
}

/** Options of a load: those of `noodle.load` in Python. */
export interface LoadOptions {
  version?: string;
  placement?: string;
  /** Prototypes of a native library, as C text. */
  prototypes?: string;
  [option: string]: unknown;
}

type Output = "inherit" | "ignore" | ((text: string) => void) | { write(text: string): unknown };

export interface HostOptions {
  /** The Python; else NOODLE_PYTHON, the one of VIRTUAL_ENV, or one on PATH that has Noodle. */
  python?: string;
  /** A command that starts `noodle host`, in place of a Python. */
  command?: string[];
  /** Where noodle.toml is looked for and relative targets begin; else the working directory. */
  directory?: string;
  /** The configuration file, in place of the nearest noodle.toml. */
  config?: string;
  /** Variables of the host besides those of this process. */
  env?: Record<string, string>;
  /** How many calls may run at a time; 64 if left out. */
  threads?: number;
  /** Where what Python prints goes; else where this program prints. */
  stdout?: Output;
  stderr?: Output;
  /** Milliseconds for every call that has no deadline of its own. */
  deadline?: number;
  int64?: "bigint" | "number";
  /** Milliseconds that a start may take; 30,000 if left out. */
  startTimeout?: number;
  /** Milliseconds for a host that is closed, or does not answer after a deadline; else 5,000. */
  grace?: number;
}

/** What a host has done, and what there is at present. */
export interface HostStatistics {
  calls: number;
  errors: number;
  callbacks: number;
  running: number;
  queued: number;
  waiting: number;
  threads: number;
  references: number;
  client_references: number;
  received_bytes: number;
  sent_bytes: number;
}

export interface Noodle {
  load<T = unknown>(target: string, options?: LoadOptions): Promise<Library<T>>;
  /** Runs an operation on the first library whose signature accepts the arguments. */
  dispatch<T = any>(operation: string, ...args: unknown[]): Promise<T>;
  /** Lets a library offer an operation. */
  register(
    operation: string,
    library: Library | string,
    options?: { operation?: string; prototype?: string },
  ): Promise<void>;
  stats(): Promise<HostStatistics>;
  /** Ends the host; it may finish, for `grace` milliseconds at most. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a host of one's own. */
export function start(options?: HostOptions): Promise<Noodle>;

/** Loads a library into the host that the program shares. */
export function load<T = unknown>(target: string, options?: LoadOptions): Promise<Library<T>>;

/** Ends the host that the program shares; the next load starts another. */
export function close(): Promise<void>;

/** Arguments by keyword, the last one of a call. */
export class Named {
  private constructor();
  readonly values: Record<string, unknown>;
}
export function named(values: Record<string, unknown>): Named;

/** A value that Python gets by reference where it would be copied. */
export class ByReference<T> {
  private constructor();
  readonly value: T;
}
export function ref<T extends object>(value: T): ByReference<T>;

/** The same array, which is an array of that shape in Python. */
export function shaped<T extends TypedArray>(array: T, shape: number[]): T & { shape: number[] };

/** Whether a value is an object of Python, or a member of one. */
export function isRemote(value: unknown): value is Remote | Path;

/** The trunk of all errors of Noodle; what they say is there in parts. */
export class NoodleError extends Error {
  constructor(message: string | {
    summary: string;
    expected?: string;
    received?: string;
    where?: string;
    remedy?: string;
  }, options?: ErrorOptions);
  readonly summary: string;
  readonly expected?: string;
  readonly received?: string;
  readonly where?: string;
  readonly remedy?: string;
}
/** The caller can put it right: a wrong name, type, value, version or setting. */
export class UsageError extends NoodleError {}
export class TargetError extends UsageError {}
export class AmbiguousTargetError extends TargetError {}
/** A setting or an option is unknown or has a wrong value. */
export class SettingsError extends UsageError {}
export class UnknownBridgeError extends UsageError {}
/** Something has to be installed first; `remedy` has the command to type. */
export class MissingError extends UsageError {}
export class MissingPackageError extends MissingError {}
export class MissingLibraryError extends MissingError {}
export class MissingToolError extends MissingError {}
/** What is installed does not satisfy what is asked for. */
export class VersionError extends UsageError {}
/** There is no member of that name, or it is private. */
export class NameNotFoundError extends UsageError {}
export class MissingSymbolError extends NameNotFoundError {}
export class PrototypeError extends UsageError {}
/** A call does not fit the function; nothing was called. */
export class ArgumentError extends UsageError {}
export class ArityError extends ArgumentError {}
export class ArgumentTypeError extends ArgumentError {}
export class ArgumentRangeError extends ArgumentError {}
export class ShapeError extends ArgumentError {}
export class NoMatchingSignatureError extends ArgumentError {}
export class PlacementError extends UsageError {}
export class PermissionDeniedError extends UsageError {}
/** A value contains itself, or is larger or deeper than the limits. Of the codec's, `code` says why. */
export class InputLimitError extends UsageError {
  readonly code?: string;
}
export class ForkedProcessError extends UsageError {}
export class DeadlockError extends UsageError {}
export class WorkerBlockedError extends UsageError {}
export class CallDepthError extends UsageError {}
/** An object of Python was released, or its host has ended. */
export class ReferenceReleasedError extends UsageError {}
export class MemoryInUseError extends UsageError {}
/** A function that C called returned what its declaration does not have. */
export class CallbackResultError extends UsageError {}
/** C called a function that was released. */
export class CallbackReleasedError extends UsageError {}
export class LanguageError extends UsageError {}
export class NoodleSyntaxError extends LanguageError {}
export class NoodleNameError extends LanguageError {}
export class NoodleTypeError extends LanguageError {}
export class SourceError extends LanguageError {}
export class ImportCycleError extends LanguageError {}
/** A library, its runtime or its build failed. */
export class ForeignError extends NoodleError {}
export class LibraryLoadError extends ForeignError {}
export class InstallationError extends LibraryLoadError {}
export class CompilationError extends ForeignError {}
/** The host was closed, or is not started again for a while. */
export class InstanceUnavailableError extends ForeignError {}
export class WorkerCrashedError extends ForeignError {}
export class MemoryLimitError extends WorkerCrashedError {}
/** An exception of a library: `name` is its type there, `stack` has its frames above yours. */
export class RemoteCallError extends ForeignError {
  readonly language: string;
  /** Notes that were added to the exception. */
  readonly notes?: string[];
  /** The exceptions of a group, or what an `AggregateError` of a worker has collected. */
  readonly errors?: Error[];
}
/** A native function says by its result that it failed. */
export class FunctionFailedError extends ForeignError {
  /** The number that says so. */
  readonly code: number | null;
  /** The name that the library, or `errno`, has for it. */
  readonly constant: string | null;
  readonly library: string;
  readonly function: string;
}
/** A native function failed for a reason that `errno` has. */
export class FunctionErrnoError extends FunctionFailedError {}
/** The call did not end before its deadline. */
export class DeadlineExceededError extends ForeignError {}
/** The host has died, and with it the objects that it held. The next call starts another. */
export class HostCrashedError extends ForeignError {}
/** A defect in Noodle. */
export class InternalError extends NoodleError {}
