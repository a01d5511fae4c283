// What the stack needs of S3 (aws-contracts §1.4, §5), through the real SDK client: against our emulator, another one,
// or AWS. The buckets must exist; keys are put under a prefix of the run's own, and are deleted by nobody.

import { createHash, randomUUID } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandInput,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

export type S3Target = {
  readonly config: S3ClientConfig;
  /** Without versioning. */
  readonly bucket: string;
  readonly versionedBucket: string;
  /** Credentials that may get objects of `bucket` and put them, but not list it. */
  readonly withoutList: NonNullable<S3ClientConfig['credentials']>;
};

export function s3Conformance(target: () => S3Target): void {
  let s3: S3Client;
  let Bucket: string;
  let versioned: string;
  const run = `run-${randomUUID()}/`;
  beforeAll(() => {
    s3 = new S3Client(target().config);
    Bucket = target().bucket;
    versioned = target().versionedBucket;
  });
  afterAll(() => s3?.destroy());

  const put = (Key: string, Body: string | Buffer, more: Partial<PutObjectCommandInput> = {}) =>
    s3.send(new PutObjectCommand({ Bucket, Key: run + Key, Body, ...more }));
  const get = (Key: string, more: Partial<GetObjectCommandInput> = {}) =>
    s3.send(new GetObjectCommand({ Bucket, Key: run + Key, ...more }));
  const text = async (Key: string, more: Partial<GetObjectCommandInput> = {}) =>
    (await get(Key, more)).Body?.transformToString();

  describe('putting and getting', () => {
    test('bytes come back exactly, with length, type, metadata and the MD5 as entity tag', async () => {
      const bytes = Buffer.from(Array.from({ length: 5_000 }, (_, i) => i % 256));
      const stored = await put('bytes', bytes, { ContentType: 'message/rfc822', Metadata: { origin: 'front door' } });
      const md5 = createHash('md5').update(bytes).digest('hex');
      expect(stored.ETag).toBe(`"${md5}"`);
      const got = await get('bytes');
      expect(Buffer.from((await got.Body?.transformToByteArray()) ?? [])).toEqual(bytes);
      expect(got).toMatchObject({
        ContentLength: 5_000,
        ContentType: 'message/rfc822',
        ETag: `"${md5}"`,
        Metadata: { origin: 'front door' },
      });
      expect(Math.abs((got.LastModified?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
    });
    test('an empty object is an object', async () => {
      await put('empty', '');
      expect(await text('empty')).toBe('');
      expect((await s3.send(new HeadObjectCommand({ Bucket, Key: `${run}empty` }))).ContentLength).toBe(0);
    });
    test.each([
      'sp ace',
      'plus+sign',
      'per%cent',
      'a//b',
      '../up/./x',
      'ünïcode-漢字-🙂',
      'q?u=e&r=y',
      'quote\'"<&>',
      'tail/',
    ])('the key %s is one key', async (key) => {
      await put(`keys/${key}`, key);
      expect(await text(`keys/${key}`)).toBe(key);
      const listed = await s3.send(new ListObjectsV2Command({ Bucket, Prefix: `${run}keys/${key}` }));
      expect(listed.Contents?.map((one) => one.Key)).toEqual([`${run}keys/${key}`]);
    });
    test('a later put replaces the earlier one whole', async () => {
      await put('twice', 'the first and longer one');
      await put('twice', 'second');
      expect(await text('twice')).toBe('second');
    });
    test('40 MB go through as a stream', async () => {
      const bytes = Buffer.alloc(40 * 1_024 * 1_024, 'forty megabytes of mail\r\n');
      await put('large', bytes);
      const got = await get('large');
      const hash = createHash('sha256');
      for await (const chunk of got.Body as AsyncIterable<Uint8Array>) hash.update(chunk);
      expect(hash.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'));
    });
    test('HeadObject tells what GetObject would, without the bytes', async () => {
      await put('head', 'twelve bytes');
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: `${run}head` }));
      expect(head).toMatchObject({
        ContentLength: 12,
        ETag: `"${createHash('md5').update('twelve bytes').digest('hex')}"`,
      });
    });
  });

  describe('ranges', () => {
    beforeAll(() => put('digits', '0123456789'));
    test.each([
      ['bytes=0-3', '0123', 'bytes 0-3/10'],
      ['bytes=4-', '456789', 'bytes 4-9/10'],
      ['bytes=-3', '789', 'bytes 7-9/10'],
      ['bytes=8-99', '89', 'bytes 8-9/10'],
      ['bytes=-99', '0123456789', 'bytes 0-9/10'],
    ])('%s', async (Range, expected, ContentRange) => {
      const got = await get('digits', { Range });
      expect(await got.Body?.transformToString()).toBe(expected);
      expect(got).toMatchObject({ ContentRange, ContentLength: expected.length });
    });
    test('one that begins behind the end is 416', async () => {
      await expect(get('digits', { Range: 'bytes=10-' })).rejects.toMatchObject({
        name: 'InvalidRange',
        $metadata: { httpStatusCode: 416 },
      });
    });
  });

  describe('conditions', () => {
    test('If-None-Match: * lets the first put win and gives the second 412', async () => {
      await put('once', 'first', { IfNoneMatch: '*' });
      await expect(put('once', 'second', { IfNoneMatch: '*' })).rejects.toMatchObject({
        name: 'PreconditionFailed',
        $metadata: { httpStatusCode: 412 },
      });
      expect(await text('once')).toBe('first');
    });
    test('of twenty at once exactly one wins; the others hear 412 or 409', async () => {
      const tries = await Promise.allSettled(
        Array.from({ length: 20 }, (_, i) => put('race', `try ${i}`, { IfNoneMatch: '*' })),
      );
      const won = tries.flatMap((one, i) => (one.status === 'fulfilled' ? [i] : []));
      expect(won).toHaveLength(1);
      expect(await text('race')).toBe(`try ${won[0]}`);
      for (const one of tries) {
        if (one.status === 'rejected')
          expect(['PreconditionFailed', 'ConditionalRequestConflict']).toContain(one.reason.name);
      }
    });
    test('If-Match replaces only what was seen', async () => {
      const { ETag } = await put('seen', 'one');
      await put('seen', 'two', { IfMatch: ETag });
      await expect(put('seen', 'three', { IfMatch: ETag })).rejects.toMatchObject({ name: 'PreconditionFailed' });
      await expect(put('never-there', 'x', { IfMatch: ETag })).rejects.toMatchObject({
        $metadata: { httpStatusCode: 404 },
      });
      expect(await text('seen')).toBe('two');
    });
    test('reads: If-Match 412, If-None-Match 304', async () => {
      const { ETag } = await put('read', 'text');
      expect(await text('read', { IfMatch: ETag })).toBe('text');
      await expect(get('read', { IfMatch: '"0"' })).rejects.toMatchObject({ $metadata: { httpStatusCode: 412 } });
      await expect(get('read', { IfNoneMatch: ETag })).rejects.toMatchObject({ $metadata: { httpStatusCode: 304 } });
    });
  });

  describe('checksums', () => {
    // The check input of the CRC catalogue, whose values are published.
    const body = '123456789';
    test.each([
      ['CRC32', 'y/Q5Jg=='],
      ['CRC32C', '4waSgw=='],
      ['CRC64NVME', 'rosUhgp5mIg='],
      ['SHA1', createHash('sha1').update(body).digest('base64')],
      ['SHA256', createHash('sha256').update(body).digest('base64')],
    ] as const)('%s is kept and given back', async (ChecksumAlgorithm, value) => {
      const key = `sum-${ChecksumAlgorithm}`;
      const stored = await put(key, body, { ChecksumAlgorithm });
      expect(stored[`Checksum${ChecksumAlgorithm}`]).toBe(value);
      const got = await get(key, { ChecksumMode: 'ENABLED' });
      expect(got[`Checksum${ChecksumAlgorithm}`]).toBe(value);
      expect(await got.Body?.transformToString()).toBe(body);
    });
    test('a wrong one is BadDigest and stores nothing', async () => {
      await expect(put('wrong-sum', body, { ChecksumCRC32: 'AAAAAA==' })).rejects.toMatchObject({ name: 'BadDigest' });
      await expect(
        put('wrong-sum', body, { ChecksumSHA256: createHash('sha256').digest('base64') }),
      ).rejects.toMatchObject({ name: 'BadDigest' });
      await expect(put('wrong-sum', body, { ContentMD5: createHash('md5').digest('base64') })).rejects.toMatchObject({
        name: 'BadDigest',
      });
      await expect(get('wrong-sum')).rejects.toMatchObject({ name: 'NoSuchKey' });
    });
  });

  describe('a missing key', () => {
    test('is NoSuchKey to who may list', async () => {
      await expect(get('missing')).rejects.toMatchObject({ name: 'NoSuchKey', $metadata: { httpStatusCode: 404 } });
      await expect(s3.send(new HeadObjectCommand({ Bucket, Key: `${run}missing` }))).rejects.toMatchObject({
        name: 'NotFound',
      });
    });
    test('is AccessDenied to who may not', async () => {
      const other = new S3Client({ ...target().config, credentials: target().withoutList });
      await expect(other.send(new GetObjectCommand({ Bucket, Key: `${run}missing` }))).rejects.toMatchObject({
        name: 'AccessDenied',
        $metadata: { httpStatusCode: 403 },
      });
      await put('present', 'x');
      expect((await other.send(new GetObjectCommand({ Bucket, Key: `${run}present` }))).ContentLength).toBe(1);
      other.destroy();
    });
    test('can be deleted', async () => {
      expect((await s3.send(new DeleteObjectCommand({ Bucket, Key: `${run}missing` }))).$metadata.httpStatusCode).toBe(
        204,
      );
    });
    test('a missing bucket is NoSuchBucket', async () => {
      await expect(s3.send(new GetObjectCommand({ Bucket: `no-${randomUUID()}`, Key: 'x' }))).rejects.toMatchObject({
        name: 'NoSuchBucket',
      });
    });
  });

  describe('deleting and versions', () => {
    test('without versioning a deleted object is gone', async () => {
      await put('doomed', 'x');
      await s3.send(new DeleteObjectCommand({ Bucket, Key: `${run}doomed` }));
      await expect(get('doomed')).rejects.toMatchObject({ name: 'NoSuchKey' });
    });
    test('with versioning it is under a delete marker, and its versions can be read and deleted', async () => {
      const Key = `${run}kept`;
      const one = await s3.send(new PutObjectCommand({ Bucket: versioned, Key, Body: 'one' }));
      const two = await s3.send(new PutObjectCommand({ Bucket: versioned, Key, Body: 'two' }));
      expect(one.VersionId).toBeTruthy();
      expect(one.VersionId).not.toBe(two.VersionId);
      const marker = await s3.send(new DeleteObjectCommand({ Bucket: versioned, Key }));
      expect(marker).toMatchObject({ DeleteMarker: true });
      await expect(s3.send(new GetObjectCommand({ Bucket: versioned, Key }))).rejects.toMatchObject({
        name: 'NoSuchKey',
      });
      await expect(
        s3.send(new GetObjectCommand({ Bucket: versioned, Key, VersionId: marker.VersionId })),
      ).rejects.toMatchObject({ $metadata: { httpStatusCode: 405 } });
      const old = await s3.send(new GetObjectCommand({ Bucket: versioned, Key, VersionId: one.VersionId }));
      expect(await old.Body?.transformToString()).toBe('one');

      const listed = await s3.send(new ListObjectVersionsCommand({ Bucket: versioned, Prefix: Key }));
      expect(listed.Versions?.map((version) => [version.VersionId, version.IsLatest])).toEqual([
        [two.VersionId, false],
        [one.VersionId, false],
      ]);
      expect(listed.DeleteMarkers?.map((version) => [version.VersionId, version.IsLatest])).toEqual([
        [marker.VersionId, true],
      ]);
      expect((await s3.send(new ListObjectsV2Command({ Bucket: versioned, Prefix: Key }))).KeyCount).toBe(0);

      await s3.send(new DeleteObjectCommand({ Bucket: versioned, Key, VersionId: marker.VersionId }));
      const back = await s3.send(new GetObjectCommand({ Bucket: versioned, Key }));
      expect([await back.Body?.transformToString(), back.VersionId]).toEqual(['two', two.VersionId]);
      await s3.send(new DeleteObjectCommand({ Bucket: versioned, Key, VersionId: two.VersionId }));
      expect((await s3.send(new GetObjectCommand({ Bucket: versioned, Key }))).VersionId).toBe(one.VersionId);
    });
    test('If-None-Match: * succeeds over a delete marker', async () => {
      const Key = `${run}again`;
      await s3.send(new PutObjectCommand({ Bucket: versioned, Key, Body: 'one', IfNoneMatch: '*' }));
      await s3.send(new DeleteObjectCommand({ Bucket: versioned, Key }));
      await s3.send(new PutObjectCommand({ Bucket: versioned, Key, Body: 'two', IfNoneMatch: '*' }));
    });
    test('versions are listed in pages', async () => {
      const Key = `${run}paged`;
      for (const Body of ['1', '2', '3']) await s3.send(new PutObjectCommand({ Bucket: versioned, Key, Body }));
      const seen: (string | undefined)[] = [];
      let page = await s3.send(new ListObjectVersionsCommand({ Bucket: versioned, Prefix: Key, MaxKeys: 2 }));
      seen.push(...(page.Versions ?? []).map((version) => version.VersionId));
      expect(page.IsTruncated).toBe(true);
      page = await s3.send(
        new ListObjectVersionsCommand({
          Bucket: versioned,
          Prefix: Key,
          KeyMarker: page.NextKeyMarker,
          VersionIdMarker: page.NextVersionIdMarker,
        }),
      );
      seen.push(...(page.Versions ?? []).map((version) => version.VersionId));
      expect(page.IsTruncated).toBe(false);
      expect(new Set(seen).size).toBe(3);
    });
  });

  describe('listing', () => {
    const list = (more: object) => s3.send(new ListObjectsV2Command({ Bucket, Prefix: `${run}list/`, ...more }));
    const names = (keys: (string | undefined)[] | undefined) => (keys ?? []).map((key) => key?.slice(run.length + 5));
    beforeAll(async () => {
      for (const key of ['b/2', 'a', 'b/1', 'c', 'B', 'b/1/x', '\u{1F600}', '\uFF5E']) await put(`list/${key}`, key);
    });
    test('keys come in the order of their UTF-8 bytes', async () => {
      const page = await list({});
      expect(names(page.Contents?.map((one) => one.Key))).toEqual([
        'B',
        'a',
        'b/1',
        'b/1/x',
        'b/2',
        'c',
        '\uFF5E',
        '\u{1F600}',
      ]);
      expect(page).toMatchObject({ KeyCount: 8, IsTruncated: false });
      expect(page.Contents?.[0]).toMatchObject({ Size: 1, ETag: `"${createHash('md5').update('B').digest('hex')}"` });
    });
    test('a delimiter rolls up, and pages never repeat a common prefix', async () => {
      const seen: string[] = [];
      let ContinuationToken: string | undefined;
      do {
        const page = await list({ Delimiter: '/', MaxKeys: 1, ContinuationToken });
        expect((page.Contents?.length ?? 0) + (page.CommonPrefixes?.length ?? 0)).toBe(1);
        seen.push(
          ...names(page.Contents?.map((one) => one.Key)).map(String),
          ...names(page.CommonPrefixes?.map((one) => one.Prefix)).map(String),
        );
        ContinuationToken = page.NextContinuationToken;
      } while (ContinuationToken !== undefined);
      expect(seen).toEqual(['B', 'a', 'b/', 'c', '\uFF5E', '\u{1F600}']);
    });
    test('start-after', async () => {
      const page = await list({ StartAfter: `${run}list/b/1/x` });
      expect(names(page.Contents?.map((one) => one.Key))).toEqual(['b/2', 'c', '\uFF5E', '\u{1F600}']);
    });
    test('a continuation survives what is put and deleted meanwhile', async () => {
      const first = await list({ MaxKeys: 2 });
      await put('list/aa', 'late');
      await s3.send(new DeleteObjectCommand({ Bucket, Key: `${run}list/a` }));
      const second = await list({ ContinuationToken: first.NextContinuationToken });
      expect(names(second.Contents?.map((one) => one.Key)).slice(0, 2)).toEqual(['aa', 'b/1']);
      await s3.send(new DeleteObjectCommand({ Bucket, Key: `${run}list/aa` }));
      await put('list/a', 'a');
    });
  });
}
