// Gets a URL that the authority given as file must vouch for: bun get.js CA URL.
const [ca, url] = Bun.argv.slice(2);
const response = await fetch(url, { tls: { ca: await Bun.file(ca).text() } });
console.log(response.status);
