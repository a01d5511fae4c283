// The one custom resource, as CloudFormation calls it: every request is answered, a foreign rule set is never displaced
// or switched off unheard, and a request that comes twice changes nothing.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ActivationRequest, answer, type RuleSets } from '#lambdas/activate.ts';

type Received = {
  readonly method: string | undefined;
  readonly contentType: string | undefined;
  readonly body: Record<string, string>;
};
let received: Received[] = [];
let status = 200;
const server = createServer((request, response) => {
  const chunks: Uint8Array[] = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
    received.push({ method: request.method, contentType: request.headers['content-type'], body });
    response.writeHead(status).end();
  });
});
let responseUrl = '';
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  responseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/response?signature=x`;
});
afterAll(() => void server.close());
beforeEach(() => {
  vi.spyOn(console, 'log').mockImplementation(() => {}); // the function's log
  received = [];
  status = 200;
});

/** SES with this set active; `calls` are the changes asked of it. */
function ses(active: string | null): RuleSets & { readonly calls: (string | null)[] } {
  const calls: (string | null)[] = [];
  let now = active;
  return {
    calls,
    active: async () => now,
    activate: async (name) => {
      calls.push(name);
      now = name;
    },
  };
}

function request(
  type: ActivationRequest['RequestType'],
  more: Partial<ActivationRequest> & { replace?: string; name?: string } = {},
): ActivationRequest {
  const { replace = 'no', name = 'Everpost', ...rest } = more;
  return {
    RequestType: type,
    ResponseURL: responseUrl,
    StackId: 'stack',
    RequestId: 'request',
    LogicalResourceId: 'Active',
    ResourceProperties: { RuleSetName: name, Replace: replace },
    ...rest,
  };
}
const ours = { PhysicalResourceId: 'active-rule-set/Everpost' };

describe('what it does', () => {
  test.each<
    [
      string,
      ActivationRequest['RequestType'],
      Parameters<typeof request>[1],
      string | null,
      (string | null)[],
      'SUCCESS' | 'FAILED',
    ]
  >([
    ['create, none active', 'Create', {}, null, ['Everpost'], 'SUCCESS'],
    ['create, ours active already', 'Create', {}, 'Everpost', [], 'SUCCESS'],
    ['create, a foreign one active', 'Create', {}, 'theirs', [], 'FAILED'],
    ['create, a foreign one active, told to replace', 'Create', { replace: 'yes' }, 'theirs', ['Everpost'], 'SUCCESS'],
    ['update, switched off meanwhile', 'Update', ours, null, ['Everpost'], 'SUCCESS'],
    ['update, a foreign one took over meanwhile', 'Update', ours, 'theirs', [], 'FAILED'],
    ['update, our own name changed', 'Update', { ...ours, name: 'Post' }, 'Everpost', ['Post'], 'SUCCESS'],
    ['delete, ours active', 'Delete', ours, 'Everpost', [null], 'SUCCESS'],
    ['delete, a foreign one active', 'Delete', ours, 'theirs', [], 'SUCCESS'],
    ['delete, none active', 'Delete', ours, null, [], 'SUCCESS'],
    ['delete of the old name after a change', 'Delete', ours, 'Post', [], 'SUCCESS'],
  ])('%s', async (_, type, more, active, calls, outcome) => {
    const ruleSets = ses(active);
    await answer(request(type, { ...more, ResponseURL: responseUrl }), ruleSets);
    expect(ruleSets.calls).toEqual(calls);
    expect(received).toHaveLength(1);
    expect(received[0]?.body.Status).toBe(outcome);
  });

  test('the same request twice', async () => {
    const ruleSets = ses(null);
    await answer(request('Create', { ResponseURL: responseUrl }), ruleSets);
    await answer(request('Create', { ResponseURL: responseUrl }), ruleSets);
    expect(ruleSets.calls).toEqual(['Everpost']);
    expect(received.map(({ body }) => body.Status)).toEqual(['SUCCESS', 'SUCCESS']);
  });
});

describe('how it answers', () => {
  test('as CloudFormation wants it: PUT, without a content type, with all ids', async () => {
    await answer(request('Create', { ResponseURL: responseUrl }), ses(null));
    expect(received).toEqual([
      {
        method: 'PUT',
        contentType: '',
        body: {
          Status: 'SUCCESS',
          Reason: 'done',
          PhysicalResourceId: 'active-rule-set/Everpost',
          StackId: 'stack',
          RequestId: 'request',
          LogicalResourceId: 'Active',
        },
      },
    ]);
  });
  test('a refusal names the set that is active, and the way out', async () => {
    await answer(request('Create', { ResponseURL: responseUrl }), ses('theirs'));
    expect(received[0]?.body.Reason).toContain('"theirs" is active');
    expect(received[0]?.body.Reason).toContain('-c replaceRuleSet=yes');
  });
  test('also when SES fails, with what it said', async () => {
    const failing: RuleSets = { ...ses(null), activate: async () => Promise.reject(new Error('Rate exceeded')) };
    await answer(request('Create', { ResponseURL: responseUrl }), failing);
    expect(received[0]?.body).toMatchObject({ Status: 'FAILED', Reason: 'Error: Rate exceeded' });
  });
  test('a new name is a new physical resource; a deletion answers with the id it was asked for', async () => {
    await answer(request('Update', { ...ours, name: 'Post', ResponseURL: responseUrl }), ses('Everpost'));
    await answer(request('Delete', { ...ours, name: 'Everpost', ResponseURL: responseUrl }), ses('Post'));
    expect(received.map(({ body }) => body.PhysicalResourceId)).toEqual([
      'active-rule-set/Post',
      'active-rule-set/Everpost',
    ]);
  });
  test.each([
    ['none', null, 'no'],
    ['theirs', 'theirs', 'yes'],
  ])('a creation whose answer is not taken leaves active what was: %s', async (_, before, replace) => {
    status = 403;
    const ruleSets = ses(before);
    await expect(answer(request('Create', { replace, ResponseURL: responseUrl }), ruleSets)).rejects.toThrow('403');
    expect(ruleSets.calls).toEqual(['Everpost', before]);
  });
  test('an update whose answer is not taken stays active: mail is under way', async () => {
    status = 403;
    const ruleSets = ses(null);
    await expect(answer(request('Update', { ...ours, ResponseURL: responseUrl }), ruleSets)).rejects.toThrow('403');
    expect(ruleSets.calls).toEqual(['Everpost']);
  });
  test('an activation whose own answer is lost has happened', async () => {
    const ruleSets = ses(null);
    const lossy: RuleSets = {
      ...ruleSets,
      activate: async (name) => {
        await ruleSets.activate(name);
        throw new Error('socket hang up');
      },
    };
    await answer(request('Create', { ResponseURL: responseUrl }), lossy);
    expect(received[0]?.body.Status).toBe('SUCCESS');
  });
  test('an answer that is not taken is an error of the function, so that Lambda tries again', async () => {
    status = 403;
    await expect(answer(request('Create', { ResponseURL: responseUrl }), ses(null))).rejects.toThrow('answered 403');
  });
});
