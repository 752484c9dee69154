// The provider's pages: the sign-in form, the error page, the page after a sign-out. Plain forms, no script.

const escaped = (text) => String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (title, body) => `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
  main { max-width: 22rem; margin: 12vh auto; padding: 1.5rem; border: 1px solid #8886; border-radius: .5rem }
  h1 { font-size: 1.3rem; margin: 0 0 1rem }
  label { display: block; margin: .75rem 0 .25rem }
  input, button { box-sizing: border-box; width: 100%; padding: .5rem; font: inherit }
  button { margin-top: 1.25rem; background: #fd4b2d; color: #fff; border: 0; border-radius: .25rem; cursor: pointer }
  .mistake { color: #c00; font-weight: 600 }
  small { color: #888 }
</style></head><body><main>${body}</main></body></html>`;

/** The sign-in form; `mistake` says what was wrong with the last attempt. */
export const loginPage = (action, hint, mistake) => page('Welcome to authentik (stand-in)', `
<h1>Log in to continue to Coder</h1>
${mistake && `<p class="mistake" role="alert">${escaped(mistake)}</p>`}
<form method="post" action="${escaped(action)}">
  <label for="uid_field">Username</label>
  <input id="uid_field" name="uid_field" value="${escaped(hint)}" autocomplete="username" required autofocus>
  <label for="password">Password</label>
  <input id="password" name="password" type="password" autocomplete="current-password" required>
  <button type="submit">Log in</button>
</form>
<p><small>A test provider in authentik's place: alice, bob or eve, with the password “password”.</small></p>`);

/** The error page, with the provider's message. */
export const errorPage = ({ error, error_description: description = '' }) => page('Error', `
<h1>${escaped(error)}</h1><p>${escaped(description)}</p>`);

/** The page after a sign-out; with oidc-provider's `form`, the page that asks whether to end the session. */
export const signedOutPage = (form) => page('Sign out', !form ? '<h1>You are signed out</h1>' : `
<h1>Sign out here too?</h1>${form}
<button type="submit" form="op.logoutForm" name="logout" value="yes">Sign out</button>`);
