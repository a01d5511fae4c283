// What the error of an SDK call says to an operator: whether the credentials are at fault, a right is missing, or the
// service gave no answer. The command line's doctor asks it. Pure. Its words hold no secret: AWS's errors have none.

export type Refusal = {
  readonly kind: 'credentials' | 'no-right' | 'no-answer' | 'other';
  /** One line. */
  readonly words: string;
};

/** As the services name them: Query, JSON and REST protocols differ, and so does the SDK's own search for keys. */
const CREDENTIALS = new Set([
  ...['CredentialsProviderError', 'TokenProviderError', 'ExpiredToken', 'ExpiredTokenException'],
  ...['InvalidClientTokenId', 'InvalidAccessKeyId', 'InvalidToken', 'UnrecognizedClientException'],
  ...[
    'SignatureDoesNotMatch',
    'InvalidSignatureException',
    'RequestExpired',
    'AuthFailure',
    'MissingAuthenticationToken',
  ],
]);
const NO_RIGHT = new Set([
  ...['AccessDenied', 'AccessDeniedException', 'AuthorizationError', 'AuthorizationErrorException'],
  ...['UnauthorizedOperation', 'NotAuthorized', 'Forbidden'],
]);
const NO_ANSWER = new Set(['AbortError', 'TimeoutError', 'RequestTimeout']);
const WORDS_MAX = 300;

export function refusalOf(error: unknown): Refusal {
  const { name = '', message = String(error), code, $metadata } = (error ?? {}) as SdkError;
  const words = `${name}: ${message}`.replace(/\s+/g, ' ').slice(0, WORDS_MAX);
  if (CREDENTIALS.has(name)) return { kind: 'credentials', words };
  if (NO_RIGHT.has(name)) return { kind: 'no-right', words };
  const answered = $metadata?.httpStatusCode !== undefined;
  if (NO_ANSWER.has(name) || (!answered && typeof code === 'string')) return { kind: 'no-answer', words };
  return { kind: 'other', words };
}

type SdkError = {
  readonly name?: string;
  readonly message?: string;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
};
