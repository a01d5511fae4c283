// A custom resource with a Lambda function, as CloudFormation handles it. Called by deploy.ts. The function gets a
// request and answers by a PUT to the request's ResponseURL, a path of the endpoint. Each start is a deploy: the first
// one creates the resource, later ones update it with the properties as they were.

import { randomUUID } from 'node:crypto';
import type { Front } from '../http/front.ts';
import { readBody } from '../http/request-body.ts';
import type { LambdaHost } from '../lambda/lambda.ts';
import type { Table } from '../store.ts';
import type { World } from '../world.ts';
import type { Created, Json } from './template.ts';

export type CustomResourceRow = { readonly physicalId: string; readonly properties: Json };

/** Where answers arrive: by a PUT to the endpoint. */
export type Responses = {
  /** A URL for one answer, and the answer. */
  expect(): { readonly url: string; readonly answer: Promise<unknown>; readonly forget: () => void };
};

const PATH = '/custom-resource/';
const ANSWER_BYTES_MAX = 1_048_576; // AWS takes 4 KB

/** Serves the answers at the endpoint. */
export function createResponses(front: Pick<Front, 'endpoint' | 'addRoute'>): Responses {
  const waiting = new Map<string, (answer: unknown) => void>();
  front.addRoute((request, response, { pathname }) => {
    if (request.method !== 'PUT' || !pathname.startsWith(PATH)) return false;
    void readBody(request, ANSWER_BYTES_MAX).then(
      (body) => response.writeHead(take(pathname.slice(PATH.length), body.toString()) ? 200 : 404).end(),
      () => response.writeHead(413).end(),
    );
    return true;
  });
  /** False where no resource waits for this token. */
  const take = (token: string, body: string): boolean => {
    const resolve = waiting.get(token);
    if (resolve === undefined) return false;
    waiting.delete(token);
    resolve(parsed(body));
    return true;
  };
  return {
    expect() {
      const token = randomUUID();
      const answer = new Promise<unknown>((resolve) => waiting.set(token, resolve));
      return { url: `${front.endpoint}${PATH}${token}`, answer, forget: () => waiting.delete(token) };
    },
  };
}

/** Null where the body is not JSON: applyCustomResource then reports that there is no answer. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}

type Answer = {
  readonly Status?: string;
  readonly Reason?: string;
  readonly PhysicalResourceId?: string;
  readonly Data?: Record<string, unknown>;
};

/** CloudFormation itself would wait for an hour; a person at a terminal does not. */
const ANSWER_MS = 60_000;

/** Creates or updates the resource. Throws with the function's reason when it fails or does not answer. */
export async function applyCustomResource(
  parts: {
    readonly world: World;
    readonly host: LambdaHost;
    readonly responses: Responses;
    readonly table: Table<CustomResourceRow>;
    readonly stackId: string;
  },
  resource: { readonly logicalId: string; readonly type: string; readonly properties: Readonly<Record<string, Json>> },
): Promise<Created> {
  const { host, responses, table } = parts;
  const { logicalId } = resource;
  const properties = asText(resource.properties) as Readonly<Record<string, Json>>;
  const functionName = String(properties.ServiceToken).split(':').at(-1) ?? '';
  const before = table.get(logicalId);
  const waiting = responses.expect();
  const request = {
    RequestType: before === undefined ? 'Create' : 'Update',
    ResponseURL: waiting.url,
    StackId: parts.stackId,
    RequestId: randomUUID(),
    ResourceType: resource.type,
    LogicalResourceId: logicalId,
    ServiceToken: properties.ServiceToken,
    ResourceProperties: properties,
    ...(before === undefined
      ? {}
      : { PhysicalResourceId: before.physicalId, OldResourceProperties: before.properties }),
  };
  try {
    const answer = await Promise.race([waiting.answer, outcome(host, functionName, JSON.stringify(request))]);
    if (typeof answer === 'string') throw new Error(answer);
    const { Status, Reason, PhysicalResourceId, Data } = (answer ?? {}) as Answer;
    if (Status !== 'SUCCESS') throw new Error(Reason ?? `the answer has the status ${String(Status)}`);
    if (typeof PhysicalResourceId !== 'string' || PhysicalResourceId === '')
      throw new Error('the answer has no PhysicalResourceId');
    table.put(logicalId, { physicalId: PhysicalResourceId, properties });
    return {
      ref: PhysicalResourceId,
      attributes: Object.fromEntries(Object.entries(Data ?? {}).map(([name, value]) => [name, String(value)])),
    };
  } catch (error) {
    throw new Error(
      `${logicalId} (${resource.type}) failed: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    waiting.forget();
  }
}

/** Settles only with a reason why no answer will come. */
async function outcome(host: LambdaHost, functionName: string, payload: string): Promise<string> {
  const result = await host.invoke(functionName, payload);
  if (result.kind === 'error') return `${functionName}: ${result.errorType}: ${result.errorMessage}`;
  if (result.kind === 'refused') return `${functionName} did not run: ${result.reason}`;
  await new Promise((resolve) => setTimeout(resolve, ANSWER_MS).unref());
  return `${functionName} returned without an answer`;
}

/** CloudFormation hands all scalars of a custom resource over as text. */
function asText(value: Json): Json {
  if (Array.isArray(value)) return value.map((it) => asText(it as Json));
  if (value !== null && typeof value === 'object')
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, asText(inner as Json)]));
  return value === null ? '' : String(value);
}
