/** What lies over every map: the scale; and for readers with a mouse or keys, three buttons. */
import type { Map as GlMap } from 'maplibre-gl';
import type { Words } from '../i18n';
import { scaleBar } from './scale';

const SCALE_PX_MAX = 110;

export function addScale(map: GlMap, words: Words, scale: number): void {
  const bar = document.createElement('div');
  bar.className = 'map-scale';
  map.getContainer().append(bar);
  const show = (): void => {
    const { metres, width_px } = scaleBar(map.getCenter().lat, map.getZoom(), SCALE_PX_MAX * scale);
    bar.style.width = `${width_px}px`;
    bar.textContent = metres < 1000 ? words.t('map.scale.m', { n: metres }) : words.t('map.scale.km', { n: metres / 1000 });
  };
  map.on('move', show);
  show();
}

export function addButtons(map: GlMap, words: Words, home: () => void): void {
  const group = document.createElement('div');
  group.className = 'map-buttons';
  const add = (sign: string, label: string, press: () => void): void => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = sign;
    button.title = label;
    button.setAttribute('aria-label', label);
    button.addEventListener('click', press);
    group.append(button);
  };
  const animate = !matchMedia('(prefers-reduced-motion: reduce)').matches;
  add('+', words.t('map.zoomIn'), () => map.zoomIn({ animate }));
  add('−', words.t('map.zoomOut'), () => map.zoomOut({ animate }));
  add('◇', words.t('map.home'), home);
  map.getContainer().append(group);
}
