import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import './console.css';
import Console from './Console.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
mount(Console, { target });
