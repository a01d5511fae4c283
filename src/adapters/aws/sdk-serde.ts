// The SDK's two middlewares that turn input into a request and an answer into output, made again with less around them: its own copy
// all of a client's settings into a fresh context for each call, twice, and out of a dictionary (15 µs each). The work itself is still
// the SDK's protocol's; here stands only who calls it with what. It knows no service, and swallows no error.

type Answer = { readonly statusCode: number };
type Operation = { readonly name: string; readonly namespace: string };
type Protocol = {
  serializeRequest(operation: Operation, input: object, context: object): Promise<object>;
  deserializeResponse(operation: Operation, context: object, response: Answer): Promise<object>;
};
type CallContext = { readonly endpointV2?: { readonly url: URL }; readonly __smithy_context?: object };
type Call = { readonly input: object };
type Next = (call: Call) => Promise<{ readonly response: Answer; readonly output: object }>;
type Middleware = (next: Next, context: CallContext) => Next;
type Client = {
  readonly config: { readonly protocol: unknown };
  readonly middlewareStack: { add(middleware: Middleware, options: object): void };
};

/** Puts itself in the place of the SDK's own, by their names. */
export function leanSerde(client: unknown): void {
  const { middlewareStack } = client as Client;
  const config = { ...(client as Client).config };
  const protocol = config.protocol as Protocol;

  const serialize: Middleware = (next, context) => {
    const operation = operationOf(context);
    // Settings are looked up behind it, not copied.
    const settings = Object.assign(Object.create(config), { endpoint: async () => context.endpointV2 });
    return async (call) =>
      next({ ...call, request: await protocol.serializeRequest(operation, call.input, settings) } as Call);
  };

  const deserialize: Middleware = (next, context) => {
    const operation = operationOf(context);
    return async (call) => {
      const { response } = await next(call);
      try {
        return { response, output: await protocol.deserializeResponse(operation, config, response) };
      } catch (error) {
        // Retries look here: for Retry-After and Date, and for the status of an answer that is no JSON or XML at all.
        const failed = error as { $metadata?: object };
        Object.defineProperty(failed, '$response', { value: response });
        failed.$metadata ??= { httpStatusCode: response.statusCode };
        throw error;
      }
    };
  };

  middlewareStack.add(serialize, {
    name: 'serializerMiddleware',
    step: 'serialize',
    tags: ['SERIALIZER'],
    override: true,
  });
  middlewareStack.add(deserialize, {
    name: 'deserializerMiddleware',
    step: 'deserialize',
    tags: ['DESERIALIZER'],
    override: true,
  });
}

/** As the SDK keeps it with each command. */
function operationOf({ __smithy_context }: CallContext): Operation {
  const { operationSchema } = __smithy_context as { readonly operationSchema: readonly unknown[] };
  const [, namespace, name, traits, input, output] = operationSchema;
  return { name, namespace, traits, input, output } as Operation;
}
