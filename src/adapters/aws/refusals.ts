// Which calls AWS refuses: a permission, a key or a resource is missing, or calls are throttled. Every client of a
// function (clients.ts) counts them for the alarm, whatever its caller does with the error: best-effort calls go on
// without. A call counts once, after all its tries. It never changes an answer, and logs no value of a call.

import type { Clock, Watch } from '#pipeline/ports.ts';

/**
 * Answers about one item, which a stage expects and handles; no fault of a permission or of a resource. 405: the object
 * is under a delete marker; 416: it has no bytes.
 */
const EXPECTED =
  /^(?:ConditionalCheckFailed|TransactionCanceled|TransactionConflict|NoSuchKey|NoSuchVersion|NotFound$|PreconditionFailed|InvalidRange|MethodNotAllowed)/;
/** Throttling has status 400, 429 or 503, by the service. */
const THROTTLED = /throttl|^SlowDown$|TooManyRequests|LimitExceeded/i;
/**
 * Of SES's answers: any other is about the message or the account's sending, and is an outcome with an alarm of its
 * own.
 */
const DENIED =
  /AccessDenied|Unauthorized|NotAuthorized|InvalidClientTokenId|UnrecognizedClient|ExpiredToken|SignatureDoesNotMatch/;
/**
 * S3 names the action that it denies (Amazon S3 User Guide, "Access denied message examples", in the bucket's own
 * account). A read of an object that is gone is denied the list of the bucket: the reader may not learn whether it is
 * there. A read that nothing allows is denied `s3:GetObject`, whether the object is there or not.
 */
const LIST_DENIED = /is not authorized to perform: s3:ListBucket(?:Versions)?\b/;
export type RefusalPorts = { readonly watch: Pick<Watch, 'raise' | 'error'>; readonly clock: Clock };

type Given = { readonly input: object };
type Answered = { readonly output: unknown };
type Context = { readonly clientName?: string; readonly commandName?: string };
type Next = (given: Given) => Promise<Answered>;
type Client = {
  readonly middlewareStack: {
    add(middleware: never, options: { step: 'initialize'; name: string; priority: 'high' }): void;
  };
};

/** One line for each operation and name in this time; each call counts. */
const saidAgainMs = 60_000;

/** The client, whose refused calls are now counted. No `ports`: a program of the operator, without metrics. */
export function tellingRefusals<C extends Client>(client: C, ports: RefusalPorts | undefined): C {
  if (ports === undefined) return client;
  const saidAt = new Map<string, number>();
  const tell = (context: Context, given: Given, error: unknown): void => {
    if (!isRefusal(error) || (isSes(context) && !DENIED.test(nameOf(error))) || asksForPrevious(given.input)) return;
    if (isOfGoneObject(context, error)) return;
    ports.watch.raise('CallsRefused');
    const what = `${context.commandName} ${nameOf(error)}`;
    const now = ports.clock.now();
    if (now - (saidAt.get(what) ?? Number.NEGATIVE_INFINITY) < saidAgainMs) return;
    saidAt.set(what, now);
    // Neither its message nor its input, but for the resource's name: AWS quotes what it was given.
    ports.watch.error('aws.refused', {
      service: context.clientName?.replace(/Client$/, ''),
      operation: context.commandName?.replace(/Command$/, ''),
      resource: resourceOf(given.input),
      name: nameOf(error),
    });
  };
  const counts = (next: Next, context: Context) => async (given: Given) => {
    let answered: Answered;
    try {
      answered = await next(given);
    } catch (error) {
      tell(context, given, error);
      throw error;
    }
    const entry = refusedEntry(answered.output);
    if (entry !== null) tell(context, given, entry);
    return answered;
  };
  // The outermost step: the SDK's own tries are over.
  client.middlewareStack.add(counts as never, { step: 'initialize', name: 'countsRefusals', priority: 'high' });
  return client;
}

function isSes({ clientName = '' }: Context): boolean {
  return clientName.startsWith('SES');
}

/** Where S3 names no action, nothing tells an object that is gone from a missing permission: it counts. */
function isOfGoneObject({ commandName }: Context, error: unknown): boolean {
  const { message } = (error ?? {}) as { readonly message?: unknown };
  return commandName === 'GetObjectCommand' && typeof message === 'string' && LIST_DENIED.test(message);
}

/** A secret that was never rotated has no value before the present one, which is read first. */
function asksForPrevious(input: object): boolean {
  return (input as { readonly VersionStage?: unknown }).VersionStage === 'AWSPREVIOUS';
}

function nameOf(error: unknown): string {
  const { name } = (error ?? {}) as { readonly name?: unknown };
  return typeof name === 'string' ? name : 'Error';
}

function resourceOf(input: object): string | undefined {
  const { TableName, QueueUrl, Bucket, SecretId } = input as Readonly<Record<string, string | undefined>>;
  return TableName ?? QueueUrl ?? Bucket ?? SecretId;
}

/** SendMessageBatch answers 200 where it refuses entries, a KMS key for instance. As an error says it. */
function refusedEntry(output: unknown): object | null {
  const { Failed } = (output ?? {}) as { readonly Failed?: readonly { Code?: string; SenderFault?: boolean }[] };
  const entry = Failed?.find(({ SenderFault }) => SenderFault === true) ?? Failed?.[0];
  return entry === undefined ? null : { name: entry.Code ?? 'Error', $fault: entry.SenderFault ? 'client' : 'server' };
}

/**
 * Whether AWS answered the call and refused it. The SDK's errors say it by `$fault` and `$metadata.httpStatusCode`
 * (Smithy, ServiceException): 4xx is AccessDenied, an expired key, a table, queue or KMS key that is gone or disabled,
 * and throttling in most services. Network errors and 5xx are no refusals.
 */
function isRefusal(error: unknown): boolean {
  const { name, $fault, $metadata } = (error ?? {}) as {
    readonly name?: unknown;
    readonly $fault?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  if (typeof name !== 'string' || EXPECTED.test(name)) return false;
  const status = $metadata?.httpStatusCode;
  if ($fault === undefined && status === undefined) return false; // no answer of AWS
  return $fault === 'client' || (status !== undefined && status >= 400 && status < 500) || THROTTLED.test(name);
}
