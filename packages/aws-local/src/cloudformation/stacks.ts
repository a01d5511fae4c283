// CloudFormation over HTTP: DescribeStacks of one stack by its name, in the Query protocol. Opened by aws.ts, which
// writes down each stack that it deploys; a test may write down others. Every other operation is answered with
// NotImplemented and its name. Contract: docs/aws-contracts.md §7.

import { readBody } from '../http/request-body.ts';
import { writeXml } from '../http/xml.ts';
import { AwsError, type HttpCall, type HttpService, type World } from '../world.ts';

export type StackRecord = {
  readonly id: string;
  /** CREATE_COMPLETE, ROLLBACK_COMPLETE, … */
  readonly status: string;
  readonly outputs: Readonly<Record<string, string>>;
};
export type Stacks = {
  /** Null: the stack is gone. */
  put(name: string, record: StackRecord | null): void;
  find(name: string): StackRecord | null;
};

export function createStacks(): Stacks {
  const stacks = new Map<string, StackRecord>();
  return {
    put(name, record) {
      if (record === null) stacks.delete(name);
      else stacks.set(name, record);
    },
    find: (name) => stacks.get(name) ?? null,
  };
}

const NAMESPACE = 'http://cloudformation.amazonaws.com/doc/2010-05-15/';
const BODY_BYTES_MAX = 65_536; // a request names one stack

export function createCloudFormation(world: World, stacks: Stacks): HttpService {
  return {
    name: 'cloudformation',
    async serve(call) {
      const form = new URLSearchParams((await readBody(call.request, BODY_BYTES_MAX)).toString());
      const operation = form.get('Action') ?? 'a request without Action';
      const stackName = form.get('StackName') ?? '';
      if (operation !== 'DescribeStacks' || stackName === '')
        throw new AwsError('NotImplemented', 501, `CloudFormation ${operation} is not emulated`);
      const arn = `arn:${world.partition}:cloudformation:${world.region}:${world.account}:stack/${stackName}/*`;
      const access = [{ action: `cloudformation:${operation}`, resource: stacks.find(stackName)?.id ?? arn }];
      const asked = { service: 'cloudformation' as const, operation, target: stackName, access };
      const kill = call.kill ? { kill: call.kill } : {};
      const member = await world.gate.pass({ ...asked, ...kill, principal: call.principal }, async () =>
        described(stackName, stacks.find(stackName)),
      );
      const result = { DescribeStacksResult: { Stacks: { member } }, ResponseMetadata: { RequestId: call.requestId } };
      answer(call, 200, writeXml('DescribeStacksResponse', result, NAMESPACE));
    },
    fail(call, error) {
      const type = error.statusCode < 500 ? 'Sender' : 'Receiver';
      const body = { Error: { Type: type, Code: error.code, Message: error.message }, RequestId: call.requestId };
      answer(call, error.statusCode, writeXml('ErrorResponse', body, NAMESPACE));
    },
  };
}

function described(name: string, record: StackRecord | null) {
  if (record === null) throw new AwsError('ValidationError', 400, `Stack with id ${name} does not exist`);
  const outputs = Object.entries(record.outputs).map(([OutputKey, OutputValue]) => ({ OutputKey, OutputValue }));
  return {
    StackId: record.id,
    StackName: name,
    CreationTime: new Date(0).toISOString(),
    StackStatus: record.status,
    Outputs: { member: outputs },
  };
}

function answer({ response }: HttpCall, status: number, xml: string): void {
  response.writeHead(status, { 'content-type': 'text/xml' });
  response.end(xml);
}
