// SNS over HTTP: Publish to a topic, and ListSubscriptionsByTopic, in the Query protocol. Opened by emulators.ts.
// Services inside publish by topics.ts. Every other operation, and every other parameter, is refused by name.

import { readBody } from '../http/request-body.ts';
import { writeXml } from '../http/xml.ts';
import { AwsError, type HttpCall, type HttpService } from '../world.ts';
import type { Topics } from './topics.ts';

const namespace = 'http://sns.amazonaws.com/doc/2010-03-31/';
/** Above 256 KiB of message, form-encoded. */
const requestBytesMax = 1_048_576;

const known: Readonly<Record<string, readonly string[]>> = {
  Publish: ['Action', 'Version', 'TopicArn', 'Message', 'Subject'],
  ListSubscriptionsByTopic: ['Action', 'Version', 'TopicArn'],
};

export function createSns(topics: Topics): HttpService {
  return {
    name: 'sns',
    async serve(call) {
      const form = new URLSearchParams((await readBody(call.request, requestBytesMax)).toString());
      const action = form.get('Action') ?? 'a request without Action';
      const parameters = known[action];
      if (parameters === undefined) throw new AwsError('NotImplemented', 501, `SNS ${action} is not emulated.`);
      const stranger = [...form.keys()].find((name) => !parameters.includes(name));
      if (stranger !== undefined)
        throw new AwsError('NotImplemented', 501, `SNS ${action} with ${stranger} is not emulated.`);
      if (action === 'ListSubscriptionsByTopic') return list(call, topics, form.get('TopicArn') ?? '');
      const subject = form.get('Subject');
      const { snsMessageId } = await topics.publish(call, form.get('TopicArn') ?? '', {
        message: form.get('Message') ?? '',
        ...(subject === null ? {} : { subject }),
      });
      const metadata = { RequestId: call.requestId };
      const body = { PublishResult: { MessageId: snsMessageId }, ResponseMetadata: metadata };
      answer(call, 200, writeXml('PublishResponse', body, namespace));
    },
    fail(call, error) {
      const type = error.statusCode < 500 ? 'Sender' : 'Receiver';
      const body = { Error: { Type: type, Code: error.code, Message: error.message }, RequestId: call.requestId };
      answer(call, error.statusCode, writeXml('ErrorResponse', body, namespace));
    },
  };
}

/** One page: no topic here has more than the hundred of a page. */
async function list(call: HttpCall, topics: Topics, topicArn: string): Promise<void> {
  const all = await topics.subscriptions(call, topicArn);
  const owner = topicArn.split(':')[4] ?? '';
  const member = all.map(({ arn, protocol, endpoint }) => ({
    SubscriptionArn: arn,
    Owner: owner,
    Protocol: protocol,
    Endpoint: endpoint,
    TopicArn: topicArn,
  }));
  const result = { Subscriptions: { member } };
  const body = { ListSubscriptionsByTopicResult: result, ResponseMetadata: { RequestId: call.requestId } };
  answer(call, 200, writeXml('ListSubscriptionsByTopicResponse', body, namespace));
}

function answer(call: HttpCall, statusCode: number, xml: string): void {
  call.response.writeHead(statusCode, { 'content-type': 'text/xml' });
  call.response.end(xml);
}
