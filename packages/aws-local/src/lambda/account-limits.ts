// Lambda over HTTP: GetAccountSettings alone, with the limits that a test sets. Opened by aws.ts. Functions are called
// from inside. Every other operation is answered with NotImplemented and its name. Contract: docs/aws-contracts.md §7.

import { AwsError, type HttpCall, type HttpService, type World } from '../world.ts';

export type LambdaLimits = {
  /** Calls of all functions of the account at once. */
  readonly concurrent: number;
  /** Of these, those that no function has reserved. */
  readonly unreserved: number;
};
export type LambdaAccount = { limits(): LambdaLimits; set(limits: LambdaLimits): void };

/** By default the limits of an account that was given its usual quota. */
export function createLambdaAccount(): LambdaAccount {
  let limits: LambdaLimits = { concurrent: 1_000, unreserved: 1_000 };
  return {
    limits: () => limits,
    set(given) {
      limits = given;
    },
  };
}

const CODE_BYTES_MAX = 80_530_636_800;
const UNZIPPED_BYTES_MAX = 262_144_000;
const ZIPPED_BYTES_MAX = 52_428_800;

export function createLambda(world: World, account: LambdaAccount): HttpService {
  return {
    name: 'lambda',
    async serve(call) {
      const { method = '' } = call.request;
      const { pathname } = call.url;
      if (method !== 'GET' || !/^\/2016-08-19\/account-settings\/?$/.test(pathname))
        throw new AwsError('NotImplemented', 501, `Lambda ${method} ${pathname} is not emulated`);
      const operation = 'GetAccountSettings';
      const access = [{ action: `lambda:${operation}`, resource: '*' }];
      const asked = { service: 'lambda' as const, operation, target: '', principal: call.principal, access };
      const answer = await world.gate.pass({ ...asked, ...(call.kill ? { kill: call.kill } : {}) }, async () => ({
        AccountLimit: {
          TotalCodeSize: CODE_BYTES_MAX,
          CodeSizeUnzipped: UNZIPPED_BYTES_MAX,
          CodeSizeZipped: ZIPPED_BYTES_MAX,
          ConcurrentExecutions: account.limits().concurrent,
          UnreservedConcurrentExecutions: account.limits().unreserved,
        },
        AccountUsage: { TotalCodeSize: 0, FunctionCount: 0 },
      }));
      send(call, 200, answer);
    },
    fail(call, error) {
      call.response.setHeader('x-amzn-errortype', error.code);
      send(call, error.statusCode, { Type: error.statusCode < 500 ? 'User' : 'Service', Message: error.message });
    },
  };
}

function send({ response }: HttpCall, status: number, answer: object): void {
  const body = Buffer.from(JSON.stringify(answer));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': body.length });
  response.end(body);
}
