// Stands in for AWS in benchmarks: S3, DynamoDB, SQS and SES v2 on one port, in a process of its own.
// It answers as fast as it can and counts calls; it stores nothing and checks nothing. GetObject carries the CRC64NVME
// that S3 gives for what is stored since 2024: whoever checks it in JavaScript shall be seen to pay for it.
//   node bench/stub-aws.ts SIZE…      prints `ready PORT`; keys name their size: in/4k-17

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { itemOfRow } from '#adapters/aws/dynamo-row.ts';
import { createChecksum } from '#aws-local/s3/checksums.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { messageOf, type SizeName, sizes } from './messages.ts';

type Stored = { readonly body: Buffer; readonly headers: Record<string, string | number> };
const objects = new Map<string, Stored>();
for (const name of process.argv.slice(2) as SizeName[]) {
  const body = messageOf(sizes[name]);
  const checksum = createChecksum('crc64nvme');
  checksum.update(body);
  objects.set(name, {
    body,
    headers: {
      'content-length': body.length,
      'content-type': 'application/octet-stream',
      'last-modified': 'Sun, 22 Nov 2026 10:00:00 GMT',
      etag: `"${name.padStart(32, '0')}"`,
      'accept-ranges': 'bytes',
      'x-amz-version-id': 'benchmark',
      'x-amz-checksum-crc64nvme': checksum.digest(),
      'x-amz-checksum-type': 'FULL_OBJECT',
    },
  });
}

const calls = new Map<string, number>();
const server = createServer((request, response) => {
  const parts: Buffer[] = [];
  const dynamo = String(request.headers['x-amz-target'] ?? '').startsWith('DynamoDB');
  request.on('data', (part: Buffer) => {
    if (dynamo) parts.push(part);
  });
  request.on('end', () => answer(request, response, Buffer.concat(parts)));
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => console.log(`ready ${(server.address() as AddressInfo).port}`));

function answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const path = decodeURIComponent((request.url ?? '').split('?')[0] ?? '');
  const target = request.headers['x-amz-target'];
  if (path === '/calls') {
    response.end(JSON.stringify(Object.fromEntries(calls)));
    calls.clear();
  } else if (typeof target === 'string') json(response, target, body);
  else if (path.startsWith('/v2/email/')) {
    count('ses:SendEmail');
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"MessageId":"benchmark"}');
  } else s3(request, response, path);
}

function count(call: string): void {
  calls.set(call, (calls.get(call) ?? 0) + 1);
}

function s3(request: IncomingMessage, response: ServerResponse, path: string): void {
  const stored = objects.get(/([^/-]+)-\d+$/.exec(path)?.[1] ?? '');
  if (stored === undefined) {
    response.writeHead(404).end('<Error><Code>NoSuchKey</Code></Error>');
  } else if (request.method === 'PUT') {
    count('s3:CopyObject');
    const xml = `<CopyObjectResult><ETag>${stored.headers.etag}</ETag><LastModified>2026-11-22T10:00:00.000Z</LastModified></CopyObjectResult>`;
    response.writeHead(200, { 'content-type': 'application/xml' }).end(xml);
  } else {
    count('s3:GetObject');
    response.writeHead(200, stored.headers).end(stored.body);
  }
}

function json(response: ServerResponse, target: string, body: Buffer): void {
  const operation = target.split('.')[1] ?? '';
  count(target.startsWith('DynamoDB') ? `dynamodb:${operation}` : target);
  const headers = { 'content-type': 'application/x-amz-json-1.0' };
  if (operation !== 'UpdateItem') {
    response.writeHead(200, headers).end('{}');
    return;
  }
  const { Key } = JSON.parse(body.toString()) as { Key: { pk: { S: string } } };
  const item = itemOfRow(claimed(Key.pk.S), { search: true, ledgerRetentionMs: 90 * 86_400_000 });
  response.writeHead(200, headers).end(JSON.stringify({ Attributes: item }));
}

/** The row that a claim of a fresh delivery gives back. */
function claimed(spoolId: string): DeliveryRow {
  const now = Date.now();
  return {
    schema: 1,
    spoolId,
    deliveryKey: 'benchmark',
    version: 1,
    kind: 'delivery',
    noticeOf: null,
    noticeKind: null,
    forwardPath: 'info@example.com',
    route: 0,
    action: 0,
    nextHop: 'sink',
    address: 'dest@example.net',
    copy: false,
    fallback: null,
    state: 'queued',
    stateReason: null,
    attempts: 0,
    claims: 1,
    acceptedAt: now,
    firstAttemptAt: null,
    lastAttemptAt: null,
    nextAttemptAt: now,
    expiresAt: now + 172_800_000,
    leaseUntil: now + 750_000,
    dueAt: now + 900_000,
    lastReply: null,
    lastStatus: null,
    lastReason: null,
    lastDetail: null,
    possibleDuplicate: false,
    notice: null,
    message: {
      spoolId,
      direction: 'inbound',
      reversePath: 'ann@sender.example',
      objectKey: `in/${spoolId}`,
      size: null,
      objectVersion: null,
      extract: {
        from: '"Ann Sender" <ann@sender.example>',
        to: 'info@example.com',
        date: 'Sun, 22 Nov 2026 09:59:57 +0000',
        subject: 'Quarterly figures',
        messageIdField: '<20261122095957.benchmark@sender.example>',
        autoSubmitted: null,
      },
      verdicts: { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'PASS', dmarc: 'PASS', dmarcPolicy: null },
      acceptedAt: now,
      configVersion: 'benchmark',
    },
    trace: [{ at: now, event: 'RECEIVE', attempt: null, nextHop: null, status: null, reply: null, reason: null }],
  };
}
