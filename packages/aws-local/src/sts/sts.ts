// STS over HTTP: GetCallerIdentity, in the Query protocol, for whoever asks which account and which identity they are.
// Opened by aws.ts. It needs no permission, and no policy can deny it (STS API reference). Every other operation is
// refused by name.

import { readBody } from '../http/request-body.ts';
import { writeXml } from '../http/xml.ts';
import { AwsError, type HttpCall, type HttpService, type Principal, type World } from '../world.ts';

const namespace = 'https://sts.amazonaws.com/doc/2011-06-15/';
const requestBytesMax = 65_536;

export function createSts(world: World): HttpService {
  return {
    name: 'sts',
    async serve(call) {
      const form = new URLSearchParams((await readBody(call.request, requestBytesMax)).toString());
      const action = form.get('Action') ?? 'a request without Action';
      if (action !== 'GetCallerIdentity') throw new AwsError('NotImplemented', 501, `STS ${action} is not emulated.`);
      const { principal, kill } = call;
      const passed = { service: 'sts', operation: action, target: '', principal, access: [] } as const;
      const arn = await world.gate.pass({ ...passed, ...(kill ? { kill } : {}) }, async () => arnOf(principal, world));
      const result = { Arn: arn, UserId: arn.split('/').at(-1) ?? arn, Account: world.account };
      const body = { GetCallerIdentityResult: result, ResponseMetadata: { RequestId: call.requestId } };
      answer(call, 200, writeXml('GetCallerIdentityResponse', body, namespace));
    },
    fail(call, error) {
      const type = error.statusCode < 500 ? 'Sender' : 'Receiver';
      const body = { Error: { Type: type, Code: error.code, Message: error.message }, RequestId: call.requestId };
      answer(call, error.statusCode, writeXml('ErrorResponse', body, namespace));
    },
  };
}

/** A role's caller has a session of it, which here has the role's own name. */
function arnOf(principal: Principal, { partition, account }: World): string {
  if (principal.kind !== 'role') return `arn:${partition}:iam::${account}:root`;
  const role = principal.arn.split('/').at(-1) ?? '';
  return `arn:${partition}:sts::${account}:assumed-role/${role}/${principal.functionName ?? role}`;
}

function answer(call: HttpCall, statusCode: number, xml: string): void {
  call.response.writeHead(statusCode, { 'content-type': 'text/xml' });
  call.response.end(xml);
}
