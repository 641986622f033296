// Merges values into a JSON file.
import { getStdin } from "wasi:cli/stdin@0.2.0";
import { read, write } from "osbuild:stage/tree@1.0.0";

// The component's entry: `run` of `wasi:cli`.
export const run = {
  run() {
    try {
      const { tree, options } = JSON.parse(readAll(getStdin()));
      const path = tree + options.path;
      const merged = merge(present(path), options.patch);
      const text = JSON.stringify(merged, null, 2) + "\n";
      write(path, new TextEncoder().encode(text), 0o644);
    } catch (error) {
      // An error of the tree has a payload with code, path and detail.
      const { path, detail } = error.payload ?? {};
      console.error(`error: ${path ? `${path}: ${detail}` : error}`);
      throw error;
    }
  },
};

// The file's value; nothing when there is no file.
function present(path) {
  try {
    return JSON.parse(new TextDecoder().decode(read(path)));
  } catch (error) {
    if (error.payload?.code === "not-found") return undefined;
    throw error;
  }
}

// RFC 7396, section 2.
function merge(target, patch) {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const isObject = typeof target === "object" && target !== null && !Array.isArray(target);
  const merged = isObject ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = merge(merged[name], value);
  }
  return merged;
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
