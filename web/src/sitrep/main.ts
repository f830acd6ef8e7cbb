import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import '../paper/paper.css';
import Paper from '../paper/Paper.svelte';
import Screen from './Screen.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
mount(Paper, { target, props: { title: 'sitrep.title', Screen } });
