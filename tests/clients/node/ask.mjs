// Asks Thane with an official JavaScript client and prints what the client made of the answer as JSON.
//
//   node ask.mjs '{"client": "openai-stream", "native": "http://…", "ollama": "http://…", "text": "hi", …}'

import { Ollama } from "ollama";
import OpenAI from "openai";

const question = JSON.parse(process.argv[2]);
const messages = [{ role: "user", content: question.text }];
const tools = question.tools.length ? question.tools : undefined;
const streamed = { stream: true, stream_options: { include_usage: true } };
const said = { text: "", thinking: "", pieces: 0, calls: [], input_tokens: 0, output_tokens: 0, reason: "", error: "", status: 0 };

const ollama = () => new Ollama({ host: question.ollama });
const openai = (base = question.native) => new OpenAI({ baseURL: `${base}/v1`, apiKey: "none" });
const completion = () => ({ model: question.model, messages, tools });

function addOllama(part) {
  said.text += part.message.content;
  said.thinking += part.message.thinking ?? "";
  said.pieces += part.message.content ? 1 : 0;
  said.calls.push(...(part.message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments]));
  said.input_tokens = part.prompt_eval_count ?? 0;
  said.output_tokens = part.eval_count ?? 0;
  said.reason = part.done_reason ?? "";
}

function addOpenAI(choice, usage) {
  const message = choice?.delta ?? choice?.message ?? {};
  said.text += message.content ?? "";
  said.thinking += message.reasoning_content ?? "";
  said.pieces += message.content ? 1 : 0;
  said.calls.push(...(message.tool_calls ?? []).map((call) => [call.function.name, JSON.parse(call.function.arguments)]));
  said.input_tokens = usage?.prompt_tokens ?? 0;
  said.output_tokens = usage?.completion_tokens ?? 0;
  said.reason += choice?.finish_reason ?? "";
}

const clients = {
  async ollama() {
    addOllama(await ollama().chat({ model: question.model, messages, tools }));
  },
  async "ollama-stream"() {
    let count = 0;
    const answer = await ollama().chat({ model: question.model, messages, tools, stream: true });
    for await (const part of answer) {
      addOllama(part);
      if (++count === question.leave_after) return answer.abort();
    }
  },
  async openai() {
    const whole = await openai().chat.completions.create(completion());
    addOpenAI(whole.choices[0], whole.usage);
  },
  async "openai-stream"() {
    let count = 0;
    const answer = await openai().chat.completions.create({ ...completion(), ...streamed });
    for await (const part of answer) {
      addOpenAI(part.choices[0], part.usage);
      if (++count === question.leave_after) return answer.controller.abort();
    }
  },
  async "openai-stream-helper"() {
    let pieces = 0;
    const answer = openai(question.ollama).chat.completions.stream({ ...completion(), ...streamed });
    answer.on("content", (delta) => {
      if (delta && ++pieces === question.leave_after) answer.abort();
    });
    const whole = await answer.finalChatCompletion();
    addOpenAI(whole.choices[0], whole.usage);
    said.pieces = pieces;
  },
};

try {
  await clients[question.client]();
} catch (error) {
  if (error instanceof OpenAI.APIUserAbortError || error.name === "AbortError") {
    // What was asked for: the answer was left.
  } else {
    said.error = error.error?.message ?? error.error ?? error.message;
    said.status = error.status ?? error.status_code ?? 0;
  }
}
console.log(JSON.stringify(said));
