import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import './login.css';
import Login from './Login.svelte';
import { takeSecret } from './secret';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
// First of all: what stands behind `#` must not stay in the address bar, nor in the history.
const secret = takeSecret(location, history);
mount(Login, { target, props: { secret } });
// A link that is pasted over this page changes no more of its address than what stands behind `#`.
addEventListener('hashchange', () => location.reload());
