// Which errors of a call say that AWS refuses it: a permission, a key or a resource is missing, or calls are throttled.
// Asked by the stages, which count such calls. It never decides what becomes of the mail.

/** Answers about one item, which a stage expects and handles; no fault of a permission or of a resource. */
const EXPECTED =
  /^(?:ConditionalCheckFailed|TransactionCanceled|TransactionConflict|NoSuchKey|NotFound$|PreconditionFailed)/;
/** Throttling has status 400, 429 or 503, by the service. */
const THROTTLED = /throttl|^SlowDown$|TooManyRequests|LimitExceeded/i;
/** An error has few causes; one that names itself as its cause has no end. */
const CAUSES_MAX = 5;

/**
 * Whether AWS answered the call and refused it. The SDK's errors say it by `$fault` and `$metadata.httpStatusCode`
 * (Smithy, ServiceException): 4xx is AccessDenied, an expired key, a table, queue or KMS key that is gone or disabled,
 * and throttling in most services. Looks at the causes too. Network errors and 5xx are no refusals.
 */
export function isRefusal(error: unknown): boolean {
  let each: unknown = error;
  for (let depth = 0; depth < CAUSES_MAX && typeof each === 'object' && each !== null; depth++) {
    if (refuses(each)) return true;
    if (each instanceof AggregateError && each.errors.some(isRefusal)) return true;
    each = (each as { readonly cause?: unknown }).cause;
  }
  return false;
}

function refuses(error: object): boolean {
  const { name, $fault, $metadata } = error as {
    readonly name?: unknown;
    readonly $fault?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: number };
  };
  if (typeof name !== 'string' || EXPECTED.test(name)) return false;
  const status = $metadata?.httpStatusCode;
  if ($fault === undefined && status === undefined) return false; // no answer of AWS
  return $fault === 'client' || (status !== undefined && status >= 400 && status < 500) || THROTTLED.test(name);
}
