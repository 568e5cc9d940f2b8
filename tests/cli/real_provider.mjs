// A real sign-in provider on loopback: oidc-provider, with two users, red (an operator) and grey (a guest).
// It prints its address, reads the address that users come back to, and prints "ready".
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { default: Provider } = await import(pathToFileURL(`${process.argv[2]}/oidc-provider/lib/index.js`));
let answer = (_request, response) => response.end();
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  createInterface({ input: process.stdin }).on("line", (callback) => {
    const provider = new Provider(issuer, {
      clients: [{ client_id: "aurora", client_secret: "client secret", redirect_uris: [callback] }],
      claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
      pkce: { required: () => true },
      findAccount: (_context, id) => ({
        accountId: id,
        claims: () => ({ sub: id, preferred_username: id, groups: [id === "red" ? "operators" : "guests"] }),
      }),
    });
    answer = provider.callback();
    console.log("ready");
  }).on("close", () => process.exit());
  console.log(issuer);
});
