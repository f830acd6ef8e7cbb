import { mount } from 'svelte';
import '../style/fonts.css';
import '../style/tokens.css';
import './field.css';
import Field from './Field.svelte';

const target = document.getElementById('app');
if (target === null) throw new Error('the page has no #app');
mount(Field, { target });
