// As much of axios as the program uses: every answer that is no success is an error.
async function call(method, url, { headers, params, body } = {}) {
  const query = params ? `?${new URLSearchParams(params)}` : '';
  const answer = await fetch(url + query, { method, headers, body });
  const response = { status: answer.status, data: await answer.json() };
  if (!answer.ok) {
    throw Object.assign(new Error(`Request failed with status code ${answer.status}`), { response });
  }
  return response;
}

module.exports = {
  get: (url, config) => call('GET', url, config),
  post: (url, data, config) => call('POST', url, { ...config, body: JSON.stringify(data) }),
};
