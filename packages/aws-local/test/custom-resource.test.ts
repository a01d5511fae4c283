// Custom resources: what the function is asked, what becomes of its answer, and where answers arrive.

import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { applyCustomResource, type CustomResourceRow, createResponses } from '../src/cloudformation/custom-resource.ts';
import type { Json } from '../src/cloudformation/template.ts';
import { createKeys } from '../src/http/access-keys.ts';
import { openFront } from '../src/http/front.ts';
import { lambdaHost } from '../src/lambda/lambda.ts';
import { openStore } from '../src/store.ts';
import { bareWorld } from './bare-world.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

describe('a custom resource', () => {
  async function applied() {
    const world = bareWorld();
    const front = await openFront({ port: 0, keys: createKeys(), clock: world.clock, log: world.log });
    closing.push(front.close);
    const responses = createResponses(front);
    const host = lambdaHost({
      world,
      clockOffset: world.clock.offset,
      endpoint: () => front.endpoint,
      issueKey: () => ({ accessKeyId: 'a', secretAccessKey: 's', sessionToken: 't', revoke: () => {} }),
    });
    closing.push(() => host.stop());
    host.define({
      name: 'activate',
      arn: 'arn:aws:lambda:eu-west-1:000000000000:function:activate',
      roleArn: 'arn:aws:iam::000000000000:role/activate',
      folder: fileURLToPath(new URL('./fixtures/handlers', import.meta.url)),
      handler: 'custom-resource.handler',
      memoryMb: 128,
      timeoutMs: 5_000,
      environment: {},
      reservedConcurrency: null,
    });
    const table = openStore(null).table<CustomResourceRow>('custom_resources');
    const parts = { world, host, responses, table, stackId: 'arn:stack' };
    return (properties: Record<string, Json>) =>
      applyCustomResource(parts, {
        logicalId: 'ActiveRuleSet',
        type: 'Custom::ActiveRuleSet',
        properties: { ServiceToken: 'arn:aws:lambda:eu-west-1:000000000000:function:activate', ...properties },
      });
  }

  it('is created once and then updated, with all scalars as text', async () => {
    const apply = await applied();
    expect(await apply({ Answer: 'SUCCESS', Flag: true })).toEqual({
      ref: 'made-once',
      attributes: { Request: 'Create', Old: 'none', Flag: 'true' },
    });
    expect(await apply({ Answer: 'SUCCESS', Flag: 2 })).toMatchObject({
      attributes: { Request: 'Update', Old: 'SUCCESS', Flag: '2' },
    });
  });

  it('fails with the reason, or because no answer will come', async () => {
    const apply = await applied();
    await expect(apply({ Answer: 'FAILED' })).rejects.toThrow('ActiveRuleSet (Custom::ActiveRuleSet) failed: as asked');
    await expect(apply({ Answer: 'nothing' })).rejects.toThrow('no answer will come');
  });

  it('takes no answer that nobody waits for, and none that is longer than any', async () => {
    const front = await openFront({ port: 0, keys: createKeys(), clock: bareWorld().clock, log: () => {} });
    closing.push(front.close);
    const responses = createResponses(front);
    const { url, answer } = responses.expect();
    const put = async (to: string, body: string) => (await fetch(to, { method: 'PUT', body })).status;
    expect(await put(`${front.endpoint}/custom-resource/unknown`, '{}')).toBe(404);
    expect(await put(url, 'x'.repeat(1_048_577))).toBe(413);
    expect(await put(url, 'no json')).toBe(200);
    expect(await answer).toBeNull();
    expect(await put(url, '{}')).toBe(404);
  });
});
