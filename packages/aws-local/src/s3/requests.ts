// Reads an S3 request: bucket and key from the raw path, conditions and ranges. Called by s3.ts. It holds the list of
// everything that is emulated: a subresource or a header field that is not on the list is refused by name.

import type { IncomingHttpHeaders } from 'node:http';
import { AwsError } from '../world.ts';
import type { ObjectVersion, StoredObject, WriteCondition } from './objects.ts';

export type S3Request = {
  readonly method: string;
  readonly bucketName: string;
  /** Empty for requests to the bucket itself. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
};

/** Path style only. `url` is the request's own text: URL objects fold '..' and '//', which are legal in keys. */
export function readRequest(method: string, url: string, headers: IncomingHttpHeaders): S3Request {
  const [rawPath = '', rawQuery = ''] = splitOnce(url, '?');
  const [bucketName, rawKey] = splitOnce(rawPath.replace(/^\//, ''), '/');
  try {
    return { method, bucketName, key: decodeURIComponent(rawKey), query: new URLSearchParams(rawQuery), headers };
  } catch {
    throw new AwsError('InvalidURI', 400, "Couldn't parse the specified URI.");
  }
}

function splitOnce(text: string, separator: string): readonly [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + separator.length)];
}

/** Carried by presigned URLs and by SDKs; they ask for nothing. */
const neutralQuery = /^(x-id$|X-Amz-)/;
const neutralFields = new Set([
  'x-amz-date',
  'x-amz-content-sha256',
  'x-amz-security-token',
  'x-amz-user-agent',
  'x-amz-decoded-content-length',
  'x-amz-trailer',
  'x-amz-sdk-checksum-algorithm',
  'x-amz-expected-bucket-owner',
  'x-amz-checksum-mode',
]);

/** The SDK sends the checksum of an empty body even with a GET (responseChecksumValidation WHEN_REQUIRED). */
function isNeutral(field: string): boolean {
  return neutralFields.has(field) || field.startsWith('x-amz-checksum-');
}

/** Throws NotImplemented for any query parameter or x-amz field that `operation` does not list. */
export function refuseUnknown(
  request: S3Request,
  operation: string,
  query: readonly string[],
  fields: RegExp = /^$/,
): void {
  const parameter = [...request.query.keys()].find((name) => !neutralQuery.test(name) && !query.includes(name));
  if (parameter !== undefined) throw notEmulated(`${operation} with ?${parameter}`);
  const field = Object.keys(request.headers).find(
    (name) => name.startsWith('x-amz-') && !isNeutral(name) && !fields.test(name),
  );
  if (field !== undefined) throw notEmulated(`${operation} with the header field ${field}`);
}

export function notEmulated(what: string): AwsError {
  return new AwsError('NotImplemented', 501, `S3 ${what} is not emulated.`);
}

/** If-None-Match takes only `*` on a write; If-Match an entity tag. */
export function writeCondition(headers: IncomingHttpHeaders): WriteCondition {
  const noneMatch = headers['if-none-match'];
  const match = headers['if-match'];
  if (noneMatch !== undefined && match !== undefined) throw notEmulated('PutObject with If-Match and If-None-Match');
  if (noneMatch !== undefined && noneMatch !== '*') throw notEmulated('PutObject with If-None-Match other than "*"');
  if (noneMatch !== undefined) return { kind: 'if-none-match' };
  if (match !== undefined) return { kind: 'if-match', etag: unquote(match) };
  return { kind: 'none' };
}

/** The result of a read's conditions (RFC 9110 §13.2.2): null to continue, or the status code that ends it. */
export function readCondition(headers: IncomingHttpHeaders, object: StoredObject): 304 | 412 | null {
  const names = (value: string) => value.split(',').map((tag) => unquote(tag.trim()));
  const matches = (value: string) => names(value).some((tag) => tag === '*' || tag === object.etag);
  const seconds = Math.floor(object.modifiedAt / 1_000) * 1_000;
  const ifMatch = headers['if-match'];
  const ifNoneMatch = headers['if-none-match'];
  const since = Date.parse(headers['if-modified-since'] ?? '');
  const unmodifiedSince = Date.parse(headers['if-unmodified-since'] ?? '');
  if (ifMatch !== undefined ? !matches(ifMatch) : seconds > unmodifiedSince) return 412;
  if (ifNoneMatch !== undefined ? matches(ifNoneMatch) : seconds <= since) return 304;
  return null;
}

export type ByteRange = { readonly start: number; readonly end: number }; // both inclusive

/**
 * `bytes=a-b`, `bytes=a-`, `bytes=-n` (longer than the object: all of it). Throws InvalidRange; ignores a
 * field that is no range.
 */
export function readRange(field: string | undefined, size: number): ByteRange | null {
  if (field === undefined) return null;
  if (/^bytes=.*,/.test(field)) throw notEmulated('GetObject with several ranges');
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/.exec(field) ?? [];
  if (from === '' && to === '') return null;
  if (from !== '' && to !== '' && Number(to) < Number(from)) return null;
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from);
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (start >= size || (from === '' && Number(to) === 0)) {
    throw new AwsError('InvalidRange', 416, 'The requested range is not satisfiable', {
      ActualObjectSize: size,
      RangeRequested: field,
    });
  }
  return { start, end };
}

/** The header fields of a PutObject that come back with the object. */
export function storedFields(headers: IncomingHttpHeaders): Record<string, string> {
  const kept: Record<string, string> = { 'content-type': headers['content-type'] ?? 'application/octet-stream' };
  for (const name of ['cache-control', 'content-disposition', 'content-language', 'expires']) {
    const value = headers[name];
    if (typeof value === 'string') kept[name] = value;
  }
  // aws-chunked describes the transfer, not the object.
  const encodings = (headers['content-encoding'] ?? '').split(',').map((one) => one.trim());
  const encoding = encodings.filter((one) => one !== '' && one !== 'aws-chunked').join(',');
  if (encoding !== '') kept['content-encoding'] = encoding;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith('x-amz-meta-') && typeof value === 'string') kept[name] = value;
  }
  const bytes = Object.entries(kept).reduce(
    (sum, [name, value]) => sum + (name.startsWith('x-amz-meta-') ? name.length - 11 + value.length : 0),
    0,
  );
  if (bytes > 2_048)
    throw new AwsError(
      'MetadataTooLarge',
      400,
      'Your metadata headers exceed the maximum allowed metadata size (2 KB).',
    );
  return kept;
}

/** The header fields that describe an object version in an answer. */
export function objectFields(
  object: ObjectVersion & { readonly kind: 'object' },
  versioned: boolean,
): Record<string, string> {
  return {
    ...object.fields,
    etag: `"${object.etag}"`,
    'last-modified': new Date(object.modifiedAt).toUTCString(),
    'accept-ranges': 'bytes',
    'x-amz-server-side-encryption': 'AES256',
    ...(versioned ? { 'x-amz-version-id': object.versionId } : {}),
  };
}

function unquote(tag: string): string {
  return tag.replace(/^"(.*)"$/, '$1');
}
