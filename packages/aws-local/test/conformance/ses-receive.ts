// What ingest needs of SES's inbound side, seen as the world sees it: mail goes in by SMTP, the object is read from S3
// and the notification from an SQS queue with raw delivery. Source: the SES receiving section of the AWS contracts this
// project keeps.

import { connect } from 'node:net';
import { GetObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, expect, test } from 'vitest';

export type SesTarget = {
  readonly smtp: { readonly host: string; readonly port: number };
  readonly config: S3ClientConfig;
  readonly bucket: string;
  /** The rule's ObjectKeyPrefix. */
  readonly prefix: string;
  readonly queueUrl: string;
  /** A domain of which the one rule takes `user@` and `other@`, with scanning on. */
  readonly domain: string;
};
export type Notification = {
  readonly notificationType: string;
  readonly mail: {
    readonly source: string;
    readonly messageId: string;
    readonly destination: readonly string[];
    readonly headersTruncated: boolean;
    readonly headers: readonly { readonly name: string; readonly value: string }[];
    readonly commonHeaders: Readonly<Record<string, unknown>>;
  };
  readonly receipt: {
    readonly recipients: readonly string[];
    readonly action: Readonly<Record<string, string>>;
    readonly [other: string]: unknown;
  };
};

export function sesReceiveConformance(target: () => SesTarget): void {
  const clients: { destroy(): void }[] = [];
  afterAll(() => {
    for (const client of clients) client.destroy();
  });
  const stored = async (bucket: string, key: string): Promise<Buffer> => {
    const client = new S3Client(target().config);
    clients.push(client);
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  const next = () => nextNotification(target());

  test('the notification carries the envelope; the object holds the bytes after SES own fields', async () => {
    const { domain, prefix, bucket, smtp } = target();
    const content = Buffer.from(
      `From: =?utf-8?q?J=C3=B6rg?= <author@src.example>\r\nTo: "List, The" <list@far.example>, Team:a@far.example,b@far.example;\r\n` +
        'Subject: folded\r\n subject\r\nMessage-ID: <id@src.example>\r\n\r\nline\nbare LF \xff\x00 8-bit and NUL\r\n.dot\r\n',
      'latin1',
    );
    const replies = await sendMail(smtp, {
      from: 'bounce@src.example',
      to: [`user+tag@${domain}`, `other@${domain}`],
      content,
    });
    expect(replies.at(-1)).toMatch(/^250 /);
    const { mail, receipt, notificationType } = await next();
    expect(notificationType).toBe('Received');
    expect(mail.source).toBe('bounce@src.example');
    expect([...receipt.recipients].sort()).toEqual([`other@${domain}`, `user+tag@${domain}`]);
    expect(receipt.action).toMatchObject({ type: 'S3', bucketName: bucket });
    expect(receipt.action.objectKey?.endsWith(mail.messageId)).toBe(true);
    for (const verdict of ['spam', 'virus', 'spf', 'dkim', 'dmarc']) {
      expect(receipt[`${verdict}Verdict`]).toMatchObject({
        status: expect.stringMatching(/^(PASS|FAIL|GRAY|PROCESSING_FAILED)$/),
      });
    }
    expect(mail.headersTruncated).toBe(false);
    expect(mail.headers.slice(0, 2).map(({ name }) => name)).toEqual(['Return-Path', 'Received']);
    expect(mail.headers.find(({ name }) => name === 'Subject')?.value).toBe('folded subject');
    expect(mail.commonHeaders.messageId).toBe('<id@src.example>');

    const object = await stored(bucket, prefix + mail.messageId);
    const own = object.length - content.length;
    expect(object.subarray(own).equals(content)).toBe(true);
    const block = object.toString('latin1', 0, own);
    expect(block).toMatch(/^Return-Path: <bounce@src\.example>\r\nReceived: from /);
    expect(block).toMatch(new RegExp(`with SMTP id ${mail.messageId}\\s+for [^;]+;`));
    for (const name of [
      'X-SES-Spam-Verdict',
      'X-SES-Virus-Verdict',
      'Received-SPF',
      'Authentication-Results',
      'X-SES-RECEIPT',
      'X-SES-DKIM-SIGNATURE',
    ]) {
      expect(block).toContain(`\r\n${name}: `);
    }
  });

  test('an unknown recipient is refused at RCPT, its neighbour is not', async () => {
    const { domain, smtp } = target();
    const replies = await sendMail(smtp, {
      from: 'a@src.example',
      to: [`nobody@${domain}`, `user@${domain}`],
      content: Buffer.from('Subject: x\r\n\r\n'),
    });
    expect(replies[3]).toMatch(/^550 /);
    expect(replies.at(-1)).toMatch(/^250 /);
    expect((await next()).receipt.recipients).toEqual([`user@${domain}`]);
  });

  test('a null reverse-path is taken', async () => {
    const { domain, smtp } = target();
    await sendMail(smtp, { from: '', to: [`user@${domain}`], content: Buffer.from('Subject: dsn\r\n\r\n') });
    expect(['', '<>', undefined]).toContain((await next()).mail.source);
  });

  test('headers above 10 KB are cut and said to be', async () => {
    const { domain, smtp } = target();
    const content = Buffer.from(
      `Subject: big\r\n${'X-Filler: '.padEnd(990, 'x').concat('\r\n').repeat(20)}\r\nbody\r\n`,
    );
    await sendMail(smtp, { from: 'a@src.example', to: [`user@${domain}`], content });
    const { mail } = await next();
    expect(mail.headersTruncated).toBe(true);
    const bytes = mail.headers.reduce((sum, { name, value }) => sum + name.length + value.length, 0);
    expect(bytes).toBeLessThanOrEqual(10 * 1024);
  });
}

/** Waits for a message's notification, dropping SES's own test of the rule, and takes it off the queue. */
export async function nextNotification({
  config,
  queueUrl,
}: Pick<SesTarget, 'config' | 'queueUrl'>): Promise<Notification> {
  const client = new SQSClient({
    endpoint: config.endpoint,
    region: config.region,
    credentials: config.credentials,
  } as object);
  try {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      const { Messages: [message] = [] } = await client.send(
        new ReceiveMessageCommand({ QueueUrl: queueUrl, WaitTimeSeconds: 5 }),
      );
      if (!message) continue;
      await client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: message.ReceiptHandle }));
      const notification = JSON.parse(message.Body ?? '') as Notification;
      if (notification.mail.messageId !== 'AMAZON_SES_SETUP_NOTIFICATION') return notification;
    }
  } finally {
    client.destroy();
  }
  throw new Error('no notification came');
}

/** One mail, command by command. Returns the reply to the greeting, EHLO, MAIL, each RCPT, and DATA's end. */
export async function sendMail(
  { host, port }: SesTarget['smtp'],
  mail: { readonly from: string; readonly to: readonly string[]; readonly content: Buffer },
): Promise<readonly string[]> {
  const session = openSession(host, port);
  const replies = [await session.reply()];
  for (const command of [
    'EHLO client.example',
    `MAIL FROM:<${mail.from}>`,
    ...mail.to.map((address) => `RCPT TO:<${address}>`),
  ]) {
    session.write(`${command}\r\n`);
    replies.push(await session.reply());
  }
  session.write('DATA\r\n');
  const go = await session.reply();
  if (go.startsWith('354')) {
    session.write(stuffed(mail.content));
    session.write('.\r\n');
    replies.push(await session.reply());
  } else replies.push(go);
  session.write('QUIT\r\n');
  session.end();
  return replies;
}

/** Dot-stuffing as RFC 5321 §4.5.2 asks for: after CRLF alone. */
export function stuffed(content: Buffer): Buffer {
  const text = content.toString('latin1').replace(/(^|\r\n)\./g, '$1..');
  return Buffer.from(text, 'latin1');
}

export type Session = { write(data: string | Buffer): void; reply(): Promise<string>; end(): void; destroy(): void };

/** A raw connection that hands out whole replies, multi-line ones in one string; '' when the server has closed. */
export function openSession(host: string, port: number): Session {
  const socket = connect(port, host);
  socket.on('error', () => undefined);
  let text = '';
  let closed = false;
  let wake: () => void = () => undefined;
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1');
    wake();
  });
  socket.on('close', () => {
    closed = true;
    wake();
  });
  return {
    write: (data) => socket.write(data),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
    async reply() {
      for (;;) {
        const end = /(?:^|\n)\d{3} [^\n]*\n/.exec(text);
        if (end) {
          const reply = text.slice(0, end.index + end[0].length);
          text = text.slice(reply.length);
          return reply.trim();
        }
        if (closed) return '';
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
