// Post a text to Threads with the newest token that the keeper has stored. Node 18 or newer.
//
//     npm install @google-cloud/secret-manager @grpc/grpc-js google-auth-library
//     GOOGLE_CLOUD_PROJECT=my-project node post.mjs alice "Hello"

import { SecretManagerServiceClient } from "@google-cloud/secret-manager";
import { credentials } from "@grpc/grpc-js";
import { PassThroughClient } from "google-auth-library";

const API = `${process.env.THREADS_API_URL ?? "https://graph.threads.com"}/v1.0`;
const [username, text] = process.argv.slice(2);

// Threads no longer accepts this token. If it is the newest one, its account must sign in again.
class TokenRefused extends Error {}

function connect() {
  const emulator = process.env.SECRET_MANAGER_EMULATOR_HOST; // the local one, of `make run`
  if (!emulator) return new SecretManagerServiceClient();
  const [servicePath, port] = emulator.split(":");
  const open = { sslCreds: credentials.createInsecure(), authClient: new PassThroughClient() };
  return new SecretManagerServiceClient({ servicePath, port: Number(port), ...open });
}

async function newestToken() {
  const secret = `threads-token-${username.toLowerCase().replaceAll(".", "-")}`;
  const name = `projects/${process.env.GOOGLE_CLOUD_PROJECT}/secrets/${secret}/versions/latest`;
  const [version] = await connect().accessSecretVersion({ name });
  return version.payload.data.toString().trim(); // a pasted one may end a line
}

// Returns the id that Threads answers with. The token is in the body, since logs keep URLs.
async function send(path, form) {
  const reply = await fetch(`${API}/${path}`, { method: "POST", body: new URLSearchParams(form) });
  const { id, error } = await reply.json();
  if (error?.code === 190) throw new TokenRefused("error code 190: if it lasts, sign in again");
  if (!reply.ok) throw new Error(`Threads refused this: HTTP status ${reply.status}, error code ${error?.code}.`);
  return id;
}

async function post(token) {
  const container = await send("me/threads", { media_type: "TEXT", text, access_token: token });
  // A text is ready at once. Meta advises to wait 30 seconds here for an image or a video.
  return send("me/threads_publish", { creation_id: container, access_token: token });
}

const posted = await post(await newestToken()).catch(async (error) => {
  if (!(error instanceof TokenRefused)) throw error;
  return post(await newestToken()); // a refresh has just replaced it
});
console.log(`Posted as ${username}: ${posted}`);
