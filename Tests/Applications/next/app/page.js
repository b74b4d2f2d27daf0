import Link from 'next/link';
import Counter from './counter';

export default function Page() {
  return <main><h1 id="title">first</h1><Counter /><Link id="about" href="/about">about</Link></main>;
}
