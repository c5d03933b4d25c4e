// What a bot in Node does with Secret Manager, by gRPC or by REST ("fallback"). Prints what it saw as JSON.
//
//     node secret_manager.mjs grpc|rest PORT

import { SecretManagerServiceClient } from '@google-cloud/secret-manager';
import { createRequire } from 'node:module';

const { googleAuthLibrary, grpc } = createRequire(import.meta.url)('google-gax');
const [transport, port] = process.argv.slice(2);
const options = {
  grpc: { sslCreds: grpc.credentials.createInsecure() },
  rest: { fallback: true, protocol: 'http', authClient: new googleAuthLibrary.PassThroughClient() },
};
const client = new SecretManagerServiceClient({
  ...options[transport], apiEndpoint: '127.0.0.1', port: Number(port), projectId: 'demo',
});
const parent = 'projects/demo';
const name = `${parent}/secrets/alice`;
const seen = {};

const [newest] = await client.accessSecretVersion({ name: `${name}/versions/latest` });
seen.newest = newest.payload.data.toString();
const [added] = await client.addSecretVersion({ parent: name, payload: { data: Buffer.from('from-node') } });
seen.added = added.name;
await client.disableSecretVersion({ name: `${name}/versions/1` });
const [versions] = await client.listSecretVersions({ parent: name });
seen.versions = versions.map((version) => [version.name.split('/').pop(), version.state]);
const [found] = await client.listSecrets({ parent, filter: 'labels.team=red', pageSize: 1 });
seen.found = found.map((secret) => secret.name);
const [changed] = await client.updateSecret({
  secret: { name, annotations: { note: 'hi' } }, updateMask: { paths: ['annotations'] },
});
seen.annotations = changed.annotations;
try {
  await client.getSecret({ name: `${parent}/secrets/nobody` });
} catch (error) {
  seen.refused = error.message.includes('NOT_FOUND');
}
await client.close();
console.log(JSON.stringify(seen));
