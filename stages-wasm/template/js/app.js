// Writes the message of the day.
import { getStdin } from "wasi:cli/stdin@0.2.0";
import { createDirectory, write } from "osbuild:stage/tree@1.0.0";

// The component's entry: `run` of `wasi:cli`.
export const run = {
  run() {
    try {
      const { tree, options } = JSON.parse(readAll(getStdin()));
      motd(tree, options);
    } catch (error) {
      // An error of the tree has a payload with code, path and detail.
      const { path, detail } = error.payload ?? {};
      console.error(`error: ${path ? `${path}: ${detail}` : error}`);
      throw error;
    }
  },
};

function motd(tree, options) {
  unlessThere(() => createDirectory(`${tree}/etc`, 0o755));
  const text = options.text.replace(/\n+$/, "") + "\n";
  write(`${tree}/etc/motd`, new TextEncoder().encode(text), 0o644);
}

function unlessThere(make) {
  try {
    make();
  } catch (error) {
    if (error.payload?.code !== "exists") throw error;
  }
}

function readAll(stream) {
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) text += decoder.decode(stream.blockingRead(65536n), { stream: true });
  } catch (error) {
    if (error.payload?.tag !== "closed") throw error;
  }
  return text;
}
