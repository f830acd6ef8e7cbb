import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import '../paper/paper.css';
import Handover from './Handover.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
mount(Handover, { target });
