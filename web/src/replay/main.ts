import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import './replay.css';
import Replay from './Replay.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
mount(Replay, { target });
