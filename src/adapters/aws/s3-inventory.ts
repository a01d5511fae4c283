// Lists the objects of the spool by ListObjectsV2, for the functions orphans and purge. It is the one place that
// removes an object of the spool, by a delete marker. It lists by key and never by token, so that a cursor kept for an
// hour still works. It reads no content.

import { DeleteObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import type { SpoolEntry, SpoolInventory } from '#pipeline/ports.ts';

export class S3Inventory implements SpoolInventory {
  private readonly client: S3Client;
  private readonly bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.client = client;
    this.bucket = bucket;
  }

  async list(
    query: { readonly prefix: string; readonly after: string | null; readonly max: number },
    signal: AbortSignal,
  ): Promise<{ readonly entries: readonly SpoolEntry[]; readonly more: boolean }> {
    const command = new ListObjectsV2Command({
      Bucket: this.bucket,
      Prefix: query.prefix,
      StartAfter: query.after ?? undefined,
      MaxKeys: query.max,
    });
    const { Contents = [], IsTruncated = false } = await this.client.send(command, { abortSignal: signal });
    const entries = Contents.map(({ Key, Size, LastModified }): SpoolEntry => {
      if (Key === undefined || Size === undefined || LastModified === undefined) {
        throw new Error(`ListObjectsV2 of ${this.bucket}: an entry without key, size or date`);
      }
      return { objectKey: Key, bytes: Size, storedAt: LastModified.getTime() };
    });
    return { entries, more: IsTruncated };
  }

  async remove(objectKey: string, signal: AbortSignal): Promise<void> {
    await this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: objectKey }), { abortSignal: signal });
  }
}
