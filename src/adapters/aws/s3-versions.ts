// What S3 still has of an object: asked by `everpost restore`, by a list of its versions. It reads no content, so that
// a missing object and one that may not be read are told apart.

import { ListObjectVersionsCommand, type S3Client } from '@aws-sdk/client-s3';
import type { StoredVersions } from '#pipeline/operate/restore.ts';

export class S3Versions implements StoredVersions {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  async look(objectKey: string, signal: AbortSignal): Promise<'current' | 'hidden' | 'none'> {
    // Newest first, and the keys in order: those of the key itself come before longer ones.
    const command = new ListObjectVersionsCommand({ Bucket: this.#bucket, Prefix: objectKey });
    const { Versions = [] } = await this.#client.send(command, { abortSignal: signal });
    const own = Versions.filter(({ Key }) => Key === objectKey);
    if (own.length === 0) return 'none';
    return own.some(({ IsLatest }) => IsLatest === true) ? 'current' : 'hidden';
  }
}
