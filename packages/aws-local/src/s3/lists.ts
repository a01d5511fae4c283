// ListObjectsV2, ListObjectVersions and ListBuckets: the answers as S3 writes them, a page at a time. Called by s3.ts.
// It reads metadata only: it opens no file, and asks for no permission on a bucket.

import { writeXml, type XmlElement } from '../http/xml.ts';
import { AwsError, type Caller, type World } from '../world.ts';
import { cutPage } from './object-keys.ts';
import type { Bucket, Objects, ObjectVersion } from './objects.ts';
import { notEmulated, refuseUnknown, type S3Request } from './requests.ts';

export const s3Namespace = 'http://s3.amazonaws.com/doc/2006-03-01/';
const keysMax = 1_000;

/** The members of ListBucketResult. Continuation tokens are opaque, and good after a restart. */
export function listObjects(objects: Objects, bucket: Bucket, query: URLSearchParams): XmlElement {
  const { prefix, delimiter, max, encode } = common(query);
  const token = query.get('continuation-token');
  const startAfter = query.get('start-after') ?? '';
  const after = token === null ? startAfter : readToken(token);
  const isThere = (key: string) => objects.current(bucket, key)?.kind === 'object';
  const page = cutPage(bucket.index, isThere, { prefix, delimiter, after, max });
  return {
    Name: bucket.name,
    Prefix: encode(prefix),
    ...(delimiter === '' ? {} : { Delimiter: encode(delimiter) }),
    ...(startAfter === '' ? {} : { StartAfter: encode(startAfter) }),
    ...(query.has('encoding-type') ? { EncodingType: 'url' } : {}),
    MaxKeys: max,
    KeyCount: page.keys.length + page.commonPrefixes.length,
    IsTruncated: page.next !== null,
    ...(token === null ? {} : { ContinuationToken: token }),
    ...(page.next === null ? {} : { NextContinuationToken: writeToken(page.next) }),
    Contents: page.keys.map((key) => {
      const object = objects.current(bucket, key);
      return object?.kind === 'object' ? contentsOf(object, encode) : {};
    }),
    CommonPrefixes: page.commonPrefixes.map((one) => ({ Prefix: encode(one) })),
  };
}

/** The members of ListVersionsResult: keys in order, each with its newest version first. */
export function listVersions(objects: Objects, bucket: Bucket, query: URLSearchParams): XmlElement {
  const { prefix, delimiter, max, encode } = common(query);
  const keyMarker = query.get('key-marker') ?? '';
  const versionMarker = query.get('version-id-marker') ?? '';
  const versions: XmlElement[] = [];
  const markers: XmlElement[] = [];
  let next: ObjectVersion | null = null;
  let last: ObjectVersion | null = null;
  if (delimiter !== '')
    throw new AwsError('NotImplemented', 501, 'S3 ListObjectVersions with ?delimiter is not emulated.');
  outer: for (const key of bucket.index.from(keyMarker > prefix ? keyMarker : prefix)) {
    if (!key.startsWith(prefix)) break;
    if (key === keyMarker && versionMarker === '') continue;
    const newestFirst = [...(bucket.versions.get(key) ?? [])].reverse();
    const skip = key === keyMarker ? newestFirst.findIndex((one) => one.versionId === versionMarker) + 1 : 0;
    for (const one of newestFirst.slice(skip)) {
      if (versions.length + markers.length >= max) {
        next = last;
        break outer;
      }
      const facts = { Key: encode(key), VersionId: one.versionId, IsLatest: one === objects.current(bucket, key) };
      if (one.kind === 'object') versions.push({ ...facts, ...contentsOf(one, encode), Owner: owner });
      else markers.push({ ...facts, LastModified: new Date(one.modifiedAt).toISOString(), Owner: owner });
      last = one;
    }
  }
  return {
    Name: bucket.name,
    Prefix: encode(prefix),
    KeyMarker: encode(keyMarker),
    VersionIdMarker: versionMarker,
    ...(query.has('encoding-type') ? { EncodingType: 'url' } : {}),
    MaxKeys: max,
    IsTruncated: next !== null,
    ...(next === null ? {} : { NextKeyMarker: encode(next.key), NextVersionIdMarker: next.versionId }),
    Version: versions,
    DeleteMarker: markers,
  };
}

const owner: XmlElement = { ID: 'aws-local' };

function contentsOf(object: ObjectVersion & { readonly kind: 'object' }, encode: (text: string) => string): XmlElement {
  return {
    Key: encode(object.key),
    LastModified: new Date(object.modifiedAt).toISOString(),
    ETag: `"${object.etag}"`,
    ChecksumAlgorithm: object.checksum.name.toUpperCase(),
    ChecksumType: 'FULL_OBJECT',
    Size: object.size,
    StorageClass: 'STANDARD',
  };
}

function common(query: URLSearchParams) {
  const said = query.get('max-keys');
  if (said !== null && !/^\d{1,9}$/.test(said))
    throw new AwsError('InvalidArgument', 400, 'Provided max-keys not an integer or within integer range');
  const encoding = query.get('encoding-type');
  if (encoding !== null && encoding !== 'url')
    throw new AwsError('InvalidArgument', 400, 'Invalid Encoding Method specified in Request');
  return {
    prefix: query.get('prefix') ?? '',
    delimiter: query.get('delimiter') ?? '',
    max: Math.min(said === null ? keysMax : Number(said), keysMax),
    // S3 leaves the slash as it is.
    encode: (text: string) => (encoding === 'url' ? encodeURIComponent(text).replaceAll('%2F', '/') : text),
  };
}

function writeToken(after: string): string {
  return Buffer.from(`1 ${after}`).toString('base64');
}

function readToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString();
  if (!text.startsWith('1 '))
    throw new AwsError('InvalidArgument', 400, 'The continuation token provided is incorrect');
  return text.slice(2);
}

/** ListBuckets: one page, which may have 10,000. It passes the gate in the caller's name. */
export async function bucketsAnswer(
  world: World,
  objects: Objects,
  { principal, kill }: Caller,
  asked: S3Request,
): Promise<string> {
  if (asked.method !== 'GET') throw notEmulated(`${asked.method} on the service`);
  refuseUnknown(asked, 'ListBuckets', ['prefix', 'max-buckets']);
  const prefix = asked.query.get('prefix') ?? '';
  const access = [{ action: 's3:ListAllMyBuckets', resource: '*' }];
  const call = { service: 's3' as const, operation: 'ListBuckets', target: prefix, principal, access };
  const names = await world.gate.pass({ ...call, ...(kill === undefined ? {} : { kill }) }, async () =>
    objects.names().filter((name) => name.startsWith(prefix)),
  );
  const Bucket = names.map((Name) => ({ Name, CreationDate: new Date(0).toISOString() }));
  return writeXml('ListAllMyBucketsResult', { Buckets: { Bucket }, Prefix: prefix }, s3Namespace);
}
