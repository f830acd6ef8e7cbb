import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import './wall.css';
import Wall from './Wall.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
mount(Wall, { target });
