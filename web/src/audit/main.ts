import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import '../paper/paper.css';
import Paper from '../paper/Paper.svelte';
import Screen from './Screen.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
// Who may read it is asked by the page itself: not all of the staff do.
mount(Paper, { target, props: { title: 'audit.title', Screen, open: true } });
