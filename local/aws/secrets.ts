// The emulated Secrets Manager: reads secrets from the JSON file given by --secrets. Read-only; every other operation answers
// NotImplemented and its name. It never logs a value.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { AwsError, type HttpCall, type HttpService, type World } from '#local/world.ts';
import { readBody } from './request-body.ts';

const BODY_BYTES_MAX = 65_536; // a request names one secret
const SERVICE_ERROR = 'com.amazonaws.secretsmanager#';

/** Name to members, as in the file: {"everpost/exchange": {"username": "…", "password": "…"}}. A string stands as it is. */
export type Secrets = Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;

/** Reads the file of --secrets. Throws with one line that says what is wrong. */
export function readSecrets(path: string): Secrets {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new Error(`${path}: must be an object of secrets by name`);
  }
  for (const [name, value] of Object.entries(content)) {
    if (typeof value !== 'string' && (typeof value !== 'object' || value === null || Array.isArray(value))) {
      throw new Error(`${path}: ${JSON.stringify(name)} must be an object or a string`);
    }
  }
  return content as Secrets;
}

/** A secret's ARN: its name, a hyphen and six characters, which here follow from the name so that a template can be written. */
export function secretArn(world: Pick<World, 'account' | 'partition' | 'region'>, name: string): string {
  const suffix = createHash('sha256').update(name).digest('base64').replace(/[+/=]/g, '').slice(0, 6);
  return `arn:${world.partition}:secretsmanager:${world.region}:${world.account}:secret:${name}-${suffix}`;
}

/** `secrets` is asked at each call, so that a changed file can be seen. */
export function createSecretsManager(world: World, secrets: () => Secrets): HttpService {
  return {
    name: 'secretsmanager',
    async serve(call) {
      const operation = String(call.request.headers['x-amz-target'] ?? '').replace(/^secretsmanager\./, '');
      const body = await readBody(call.request, BODY_BYTES_MAX);
      const answer = operation === 'GetSecretValue' ? value : operation === 'DescribeSecret' ? description : null;
      if (!answer) throw new AwsError('NotImplemented', 501, `SecretsManager ${operation} is not emulated`);
      const request = parse(body);
      const name = resolve(world, secrets(), request.SecretId);
      const result = await world.gate.pass(
        {
          service: 'secretsmanager',
          operation,
          target: name,
          principal: call.principal,
          access: [{ action: `secretsmanager:${operation}`, resource: secretArn(world, name) }],
          ...(call.kill ? { kill: call.kill } : {}),
        },
        async () => answer(world, name, secrets()[name], request),
      );
      send(call, 200, result);
    },
    fail: (call, error) =>
      send(call, error.statusCode, { __type: SERVICE_ERROR + error.code, message: error.message, ...error.extra }),
  };
}

type Request = { readonly SecretId: string; readonly VersionStage?: unknown; readonly VersionId?: unknown };

function parse(body: Buffer): Request {
  let request: unknown;
  try {
    request = JSON.parse(body.toString());
  } catch {
    throw new AwsError('SerializationException', 400, 'The request body is not JSON');
  }
  const { SecretId } = (request ?? {}) as { SecretId?: unknown };
  if (typeof SecretId !== 'string' || SecretId === '') {
    throw new AwsError('ValidationException', 400, 'SecretId must be a name or an ARN');
  }
  return request as Request;
}

/** The name behind a name, a whole ARN, or an ARN without its six characters. An unknown one stays as it is. */
function resolve(world: World, secrets: Secrets, id: string): string {
  if (!id.startsWith('arn:')) return id;
  const found = Object.keys(secrets).find((name) => {
    const arn = secretArn(world, name);
    return arn === id || arn.slice(0, -7) === id;
  });
  return found ?? id.replace(/^.*:secret:/, '').replace(/-.{6}$/, '');
}

type Value = Secrets[string] | undefined;

function value(world: World, name: string, secret: Value, request: Request): unknown {
  const { ARN, versionId } = known(world, name, secret);
  const stage = request.VersionStage ?? 'AWSCURRENT';
  if (stage !== 'AWSCURRENT' || (request.VersionId !== undefined && request.VersionId !== versionId)) {
    throw new AwsError(
      'ResourceNotFoundException',
      400,
      `Secrets Manager can't find the specified secret value for staging label: ${String(stage)}`,
    );
  }
  return {
    ARN,
    Name: name,
    SecretString: typeof secret === 'string' ? secret : JSON.stringify(secret),
    VersionId: versionId,
    VersionStages: ['AWSCURRENT'],
    CreatedDate: 0,
  };
}

function description(world: World, name: string, secret: Value): unknown {
  const { ARN, versionId } = known(world, name, secret);
  return { ARN, Name: name, VersionIdsToStages: { [versionId]: ['AWSCURRENT'] } };
}

/** The version follows from the value: a changed secret has another one, as a rotation would give it. */
function known(world: World, name: string, secret: Value): { ARN: string; versionId: string } {
  if (secret === undefined) {
    throw new AwsError('ResourceNotFoundException', 400, "Secrets Manager can't find the specified secret.");
  }
  const digest = createHash('sha256').update(JSON.stringify(secret)).digest('hex');
  return {
    ARN: secretArn(world, name),
    versionId: digest.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5'),
  };
}

function send({ response, requestId }: HttpCall, status: number, answer: unknown): void {
  const body = Buffer.from(JSON.stringify(answer));
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.1',
    'content-length': body.length,
    'x-amzn-requestid': requestId,
  });
  response.end(body);
}
