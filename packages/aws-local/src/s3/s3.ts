// S3: by HTTP in path style, and inside for SES. Opened by emulators.ts. It streams objects to and from files, and
// words answers and errors as S3 does. An operation that is not emulated is answered with 501 and its name. It answers
// nothing before it is written. Contract: docs/aws-contracts.md §1.4 and §5.

import { readFile } from 'node:fs/promises';
import { writeXml } from '../http/xml.ts';
import type { Store } from '../store.ts';
import {
  type Access,
  AwsError,
  type Caller,
  type FaultEffect,
  type HttpCall,
  type HttpService,
  type World,
} from '../world.ts';
import type { QueueNotification, S3Events } from './event-notifications.ts';
import { bucketsAnswer, listObjects, listVersions, s3Namespace as namespace } from './lists.ts';
import { sendObject } from './object-bytes.ts';
import { type Bucket, createObjects, type Deletion, type StoredObject, type WriteCondition } from './objects.ts';
import {
  notEmulated,
  objectFields,
  readCondition,
  readRange,
  readRequest,
  refuseUnknown,
  type S3Request,
  storedFields,
  writeCondition,
} from './requests.ts';
import { measureBytes, measureFile, receiveBody } from './upload-body.ts';

export type ListedObject = {
  readonly key: string;
  readonly size: number;
  readonly etag: string;
  readonly modifiedAt: number;
  readonly versionId: string;
};
export type S3 = ReturnType<typeof createS3>;

/** Without `events` no bucket can have notifications. */
export function createS3(world: World, store: Store, events: S3Events | null = null) {
  const objects = createObjects(world, store, events?.created);
  const http: HttpService = { name: 's3', serve, fail };

  return {
    http,
    /** For the gate: a bucket's policy also speaks about its objects. */
    policyOf(arn: string): unknown {
      const name = /^arn:aws:s3:::([^/]+)/.exec(arn)?.[1];
      return name === undefined ? null : (objects.find(name)?.policy ?? null);
    },
    buckets: {
      /** Creates the bucket, or opens it again with its content from before the restart. */
      create(name: string, options: { readonly versioned?: boolean; readonly policy?: unknown } = {}): void {
        objects.createBucket(name, { versioned: options.versioned ?? false, policy: options.policy ?? null });
      },
      /**
       * Tells queues of objects created; rejects with InvalidArgument where one of them does not take S3's test event.
       */
      async notify(name: string, notifications: readonly QueueNotification[]): Promise<void> {
        if (events === null) throw notEmulated('notifications without queues');
        await events.configure(objects.bucket(name).name, notifications);
      },
    },
    /** Where a file for `deposit` is to be written: the same file system, emptied at every start. */
    newStagingPath: objects.newStagingPath,
    deposit,
    read,
    list,
  };

  // ── from inside ──

  /**
   * Puts bytes, or takes a finished file over by rename; on an error the file stays the caller's. SES puts inbound mail
   * so. Bytes are committed with the other writes of this turn: a caller that acknowledges them waits for the store.
   */
  function deposit(
    by: Caller,
    bucketName: string,
    key: string,
    content: Uint8Array | string,
  ): Promise<{ readonly etag: string; readonly versionId: string }> {
    return pass(by, 'PutObject', bucketName, key, ['s3:PutObject'], [], async (bucket) => {
      const fields = { 'content-type': 'application/octet-stream' };
      if (typeof content !== 'string') return objects.write(bucket, key, content, measureBytes(content), fields);
      return objects.commit(bucket, key, await measureFile(content), fields, () => {});
    });
  }

  /** The current version's bytes, whole: for tools and tests. Throws NoSuchKey. */
  async function read(by: Caller, bucketName: string, key: string): Promise<Buffer> {
    const { object } = await find(by, 'GetObject', bucketName, key, null);
    const body = objects.bodyOf(object);
    return typeof body === 'string' ? readFile(body) : body;
  }

  function list(by: Caller, bucketName: string, prefix: string): Promise<readonly ListedObject[]> {
    return pass(by, 'ListObjectsV2', bucketName, '', ['s3:ListBucket'], [], async (bucket) => {
      const found: ListedObject[] = [];
      for (const key of bucket.index.from(prefix)) {
        if (!key.startsWith(prefix)) break;
        const object = objects.current(bucket, key);
        if (object?.kind === 'object') found.push(object);
      }
      return found;
    });
  }

  // ── HTTP ──

  async function serve(call: HttpCall): Promise<void> {
    const { request } = call;
    const asked = readRequest(request.method ?? '', request.url ?? '/', request.headers);
    if (asked.bucketName === '') return answerXml(call, 200, await bucketsAnswer(world, objects, call, asked));
    const owner = asked.headers['x-amz-expected-bucket-owner'];
    if (owner !== undefined && owner !== world.account) throw new AwsError('AccessDenied', 403, 'Access Denied');
    if (asked.key === '') return serveBucket(call, asked);
    switch (asked.method) {
      case 'PUT':
        return putObject(call, asked);
      case 'GET':
      case 'HEAD':
        return getObject(call, asked);
      case 'DELETE':
        return deleteObject(call, asked);
      default:
        throw notEmulated(`${asked.method} on an object${subresource(asked)}`);
    }
  }

  async function serveBucket(call: HttpCall, asked: S3Request): Promise<void> {
    const paging = ['prefix', 'delimiter', 'max-keys', 'encoding-type'];
    if (asked.method === 'GET' && asked.query.get('list-type') === '2') {
      refuseUnknown(asked, 'ListObjectsV2', [
        'list-type',
        'continuation-token',
        'start-after',
        'fetch-owner',
        ...paging,
      ]);
      const result = await pass(
        call,
        'ListObjectsV2',
        asked.bucketName,
        '',
        ['s3:ListBucket'],
        [],
        async (bucket) => listObjects(objects, bucket, asked.query),
        listContext(asked),
      );
      return answerXml(call, 200, writeXml('ListBucketResult', result, namespace));
    }
    if (asked.method === 'GET' && asked.query.has('versions')) {
      refuseUnknown(asked, 'ListObjectVersions', ['versions', 'key-marker', 'version-id-marker', ...paging]);
      const result = await pass(
        call,
        'ListObjectVersions',
        asked.bucketName,
        '',
        ['s3:ListBucketVersions'],
        [],
        async (bucket) => listVersions(objects, bucket, asked.query),
        listContext(asked),
      );
      return answerXml(call, 200, writeXml('ListVersionsResult', result, namespace));
    }
    throw notEmulated(`${asked.method} on a bucket${subresource(asked)}`);
  }

  async function putObject(call: HttpCall, asked: S3Request): Promise<void> {
    refuseUnknown(asked, 'PutObject', [], /^x-amz-(meta-|server-side-encryption$|storage-class$)/);
    requireValue(asked, 'x-amz-server-side-encryption', 'AES256');
    requireValue(asked, 'x-amz-storage-class', 'STANDARD');
    if (Buffer.byteLength(asked.key) > 1_024) throw new AwsError('KeyTooLongError', 400, 'Your key is too long');
    const condition = writeCondition(asked.headers);
    const fields = storedFields(asked.headers);
    // S3 user guide, "Conditional writes": If-Match needs the right to read as well.
    const actions = condition.kind === 'if-match' ? ['s3:PutObject', 's3:GetObject'] : ['s3:PutObject'];
    const work = (bucket: Bucket) => receiveInto(bucket, condition);
    const context = writeContext(asked);
    const object = await pass(call, 'PutObject', asked.bucketName, asked.key, actions, [], work, context);
    const versioned = objects.bucket(asked.bucketName).versioned;
    call.response.writeHead(200, {
      etag: `"${object.etag}"`,
      'x-amz-server-side-encryption': 'AES256',
      [`x-amz-checksum-${object.checksum.name}`]: object.checksum.value,
      'x-amz-checksum-type': 'FULL_OBJECT',
      ...(versioned ? { 'x-amz-version-id': object.versionId } : {}),
      'content-length': 0,
    });
    call.response.end();

    async function receiveInto(bucket: Bucket, wanted: WriteCondition): Promise<StoredObject> {
      const watched = objects.watch(bucket, asked.key, wanted);
      try {
        const staged = await receiveBody(call.request, objects.newStagingPath());
        return await objects.commit(bucket, asked.key, staged, fields, watched.check);
      } finally {
        watched.end();
      }
    }
  }

  async function getObject(call: HttpCall, asked: S3Request): Promise<void> {
    const operation = asked.method === 'HEAD' ? 'HeadObject' : 'GetObject';
    refuseUnknown(asked, operation, ['versionId']);
    const versionId = asked.query.get('versionId');
    const { object, effects, bucket } = await find(call, operation, asked.bucketName, asked.key, versionId);
    try {
      await answerObject(call, asked, object, bucket.versioned, effects);
    } catch (error) {
      // Replaced between the look and the opening of its file: the reader gets the newer one.
      const now = versionId === null ? objects.current(bucket, asked.key) : undefined;
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || now === object) throw error;
      if (now?.kind !== 'object') throw new AwsError('NoSuchKey', 404, 'The specified key does not exist.');
      await answerObject(call, asked, now, bucket.versioned, effects);
    }
  }

  async function answerObject(
    call: HttpCall,
    asked: S3Request,
    object: StoredObject,
    versioned: boolean,
    effects: readonly FaultEffect[],
  ): Promise<void> {
    const ending = readCondition(asked.headers, object);
    const fields = objectFields(object, versioned);
    if (ending === 412)
      throw new AwsError('PreconditionFailed', 412, 'At least one of the pre-conditions you specified did not hold');
    if (ending === 304) {
      call.response.writeHead(304, { etag: fields.etag ?? '' });
      call.response.end();
      return;
    }
    const range = readRange(asked.headers.range, object.size);
    if (range === null && asked.headers['x-amz-checksum-mode']?.toString().toUpperCase() === 'ENABLED') {
      fields[`x-amz-checksum-${object.checksum.name}`] = object.checksum.value;
      fields['x-amz-checksum-type'] = 'FULL_OBJECT';
    }
    const head = asked.method === 'HEAD';
    await sendObject(call.response, { body: objects.bodyOf(object), size: object.size, fields, range, head, effects });
  }

  async function deleteObject(call: HttpCall, asked: S3Request): Promise<void> {
    refuseUnknown(asked, 'DeleteObject', ['versionId']);
    if (asked.headers['if-match'] !== undefined) throw notEmulated('DeleteObject with If-Match');
    const versionId = asked.query.get('versionId');
    const action = versionId === null ? 's3:DeleteObject' : 's3:DeleteObjectVersion';
    const deletion: Deletion = await pass(call, 'DeleteObject', asked.bucketName, asked.key, [action], [], (bucket) =>
      objects.remove(bucket, asked.key, versionId),
    );
    call.response.writeHead(204, {
      ...(deletion.deleteMarker ? { 'x-amz-delete-marker': 'true' } : {}),
      ...(deletion.versionId === null ? {} : { 'x-amz-version-id': deletion.versionId }),
    });
    call.response.end();
  }

  // ── shared ──

  /**
   * Finds the object to be read. A missing one is 404 only to a caller that may list the bucket; to others it is 403.
   */
  async function find(
    by: Caller,
    operation: 'GetObject' | 'HeadObject',
    bucketName: string,
    key: string,
    versionId: string | null,
  ) {
    const action = versionId === null ? 's3:GetObject' : 's3:GetObjectVersion';
    const honours: readonly FaultEffect[] = operation === 'GetObject' ? ['remove', 'corrupt', 'truncate'] : ['remove'];
    return pass(by, operation, bucketName, key, [action], honours, async (bucket, effects) => {
      if (effects.includes('remove')) await objects.removeAll(bucket, key);
      const found = versionId === null ? objects.current(bucket, key) : objects.version(bucket, key, versionId);
      if (found?.kind === 'object') {
        if (operation === 'GetObject') await decrypt(by, `${bucketName}/${key}`);
        return { object: found, effects, bucket };
      }
      if (found !== undefined && versionId !== null) {
        throw new AwsError('MethodNotAllowed', 405, 'The specified method is not allowed against this resource.', {
          headers: { 'x-amz-delete-marker': 'true', allow: 'DELETE' },
        });
      }
      if (!world.gate.may(by.principal, { action: 's3:ListBucket', resource: bucketArn(bucketName) })) {
        throw new AwsError(
          'AccessDenied',
          403,
          `User is not authorized to perform: s3:ListBucket on resource: "${bucketArn(bucketName)}" because no policy allows the s3:ListBucket action`,
        );
      }
      if (versionId !== null) throw new AwsError('NoSuchVersion', 404, 'The specified version does not exist.');
      const headers = found === undefined ? {} : { 'x-amz-delete-marker': 'true', 'x-amz-version-id': found.versionId };
      throw new AwsError('NoSuchKey', 404, 'The specified key does not exist.', { headers });
    });
  }

  /** Objects lie under S3's own keys; only a fault makes one lie under a key of KMS, and that one cannot be used. */
  function decrypt({ principal }: Caller, target: string): Promise<void> {
    const call = { service: 'kms', operation: 'Decrypt', target, principal, access: [], honours: ['remove'] } as const;
    return world.gate.pass(call, async (effects) => {
      if (!effects.includes('remove')) return;
      throw new AwsError('KMS.DisabledException', 400, 'The KMS key of the object is disabled (an injected fault).');
    });
  }

  function pass<T>(
    by: Caller,
    operation: string,
    bucketName: string,
    key: string,
    actions: readonly string[],
    honours: readonly FaultEffect[],
    work: (bucket: Bucket, effects: readonly FaultEffect[]) => Promise<T>,
    context: Readonly<Record<string, string>> = {},
  ): Promise<T> {
    const resource = key === '' ? bucketArn(bucketName) : `${bucketArn(bucketName)}/${key}`;
    const access = actions.map((action): Access => ({ action, resource, context: { ...by.context, ...context } }));
    const call = {
      service: 's3' as const,
      operation,
      target: `${bucketName}/${key}`,
      principal: by.principal,
      access,
      honours,
      ...(by.kill ? { kill: by.kill } : {}),
    };
    return world.gate.pass(call, async (effects) => work(objects.bucket(bucketName), effects));
  }

  function fail(call: HttpCall, error: AwsError): void {
    const { headers, ...extra } = error.extra as { headers?: Record<string, string> } & Record<string, string | number>;
    for (const [name, value] of Object.entries(headers ?? {})) call.response.setHeader(name, value);
    if (call.request.method === 'HEAD') {
      call.response.writeHead(error.statusCode);
      call.response.end();
      return;
    }
    const body = {
      Code: error.code,
      Message: error.message,
      Resource: call.url.pathname,
      ...extra,
      RequestId: call.requestId,
    };
    answerXml(call, error.statusCode, writeXml('Error', body, null));
  }
}

function bucketArn(name: string): string {
  return `arn:aws:s3:::${name}`;
}

function listContext(asked: S3Request): Readonly<Record<string, string>> {
  const context: Record<string, string> = {};
  for (const name of ['prefix', 'delimiter', 'max-keys']) {
    const value = asked.query.get(name);
    if (value !== null) context[`s3:${name}`] = value;
  }
  return context;
}

/**
 * Service authorization reference of S3: the conditions of a write, and that it makes an object (UploadPart does not).
 */
function writeContext(asked: S3Request): Readonly<Record<string, string>> {
  const context: Record<string, string> = { 's3:objectcreationoperation': 'true' };
  for (const name of ['if-none-match', 'if-match']) {
    const value = asked.headers[name];
    if (typeof value === 'string') context[`s3:${name}`] = value;
  }
  return context;
}

function requireValue(asked: S3Request, field: string, only: string): void {
  const value = asked.headers[field];
  if (value !== undefined && value !== only) throw notEmulated(`PutObject with ${field}: ${value}`);
}

function subresource(asked: S3Request): string {
  const name = [...asked.query.keys()].find((key) => key !== 'x-id' && !key.startsWith('X-Amz-'));
  return name === undefined ? '' : ` with ?${name}`;
}

function answerXml(call: HttpCall, statusCode: number, xml: string): void {
  call.response.writeHead(statusCode, { 'content-type': 'application/xml', 'x-amz-request-id': call.requestId });
  call.response.end(xml);
}
